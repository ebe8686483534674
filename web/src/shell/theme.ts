/** Light, dark, or as the system has it; kept for the next visit. Knows no view. */

import { createStore, type Store } from "../store";

export type Theme = "system" | "light" | "dark";

export const THEMES: readonly Theme[] = ["system", "light", "dark"];

const KEY = "gen3d.theme";

/** The theme as it was kept; setting it shows and keeps it. */
export function createTheme(): Store<Theme> {
  const theme = createStore<Theme>(kept());
  theme.subscribe((chosen) => {
    if (chosen === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = chosen;
    keep(chosen);
  });
  return theme;
}

function kept(): Theme {
  try {
    const found = localStorage.getItem(KEY);
    return THEMES.find((theme) => theme === found) ?? "system";
  } catch {
    return "system"; // a browser told to keep nothing throws
  }
}

function keep(theme: Theme): void {
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Then it lasts as long as the page does.
  }
}
