/** The beginning: the configuration, then who is signed in, then the pages. Knows none of them by itself. */

// Before those of the rooms, which build on them.
import "./styles/tokens.css";
import "./styles/base.css";

import { problemOf, type Problem } from "./api/problem";
import { loadConfig } from "./config";
import { openDesk, type Desk } from "./desk";
import { element } from "./element";
import { watchRoute } from "./route";
import { createSession, type Session, type SessionState } from "./session/session";
import { signInView } from "./session/view";
import { icon } from "./shell/icons";
import { showProblem } from "./shell/notices";
import { createShell, type Shell } from "./shell/shell";
import { createTheme } from "./shell/theme";
import { focusHeading, setTitle } from "./shell/title";
import type { View } from "./types";

/** What nobody has caught is shown as well, rather than left to the console. */
function watchErrors(): void {
  addEventListener("unhandledrejection", (event) => {
    const problem = problemOf(event.reason);
    if (problem.code !== "aborted") showProblem(problem);
  });
  addEventListener("error", (event) => {
    // Others, such as a ResizeObserver that needs another frame, are no errors of the page.
    if (event.error instanceof Error) showProblem(problemOf(event.error));
  });
}

function begin(): void {
  watchErrors();
  let session: Session | null = null;
  let desk: Desk | null = null;
  const shell = createShell({ theme: createTheme(), signOut: () => void signOut() });
  const route = watchRoute();
  route.subscribe((at) => shell.setRoute(at));
  document.getElementById("app")?.append(shell.root);

  async function signOut(): Promise<void> {
    if ((await desk?.mayBeLeft()) !== false) await session?.signOut();
  }
  async function load(): Promise<void> {
    try {
      const config = await loadConfig();
      session = createSession(config);
      follow(session, config.engine !== "preview");
    } catch (thrown) {
      shell.show(cannotBegin(problemOf(thrown), () => void load()));
    }
  }
  function follow(begun: Session, makesSplats: boolean): void {
    let shown: string | null = null;
    begun.state.subscribe((state) => {
      const owner = ownerOf(state);
      // The steps of signing in are one view.
      if (shown !== null && owner === shown) return;
      const isFirst = shown === null;
      shown = owner;
      desk?.close(state.kind === "out" && state.why === "signed-out");
      desk = null;
      shell.setUser(state.kind === "in" ? state.email : null);
      if (state.kind === "in") desk = openDesk(shell, begun, route, { owner: state.email, makesSplats, isFirst });
      else showSignIn(shell, begun, isFirst);
    });
  }
  void load();
}

function ownerOf(state: SessionState): string {
  return state.kind === "in" ? state.email : "";
}

function showSignIn(shell: Shell, session: Session, isFirst: boolean): void {
  setTitle("Sign in");
  shell.show(signInView(session));
  if (!isFirst) focusHeading(shell.root);
}

function cannotBegin(problem: Problem, again: () => void): View {
  setTitle(null);
  const root = element(
    "div",
    { class: "job" },
    element("h1", {}, "Gen3D cannot start"),
    element("p", { attributes: { role: "alert" } }, problem.message),
    element(
      "p",
      {},
      element("button", { type: "button", class: "button primary", onclick: again }, icon("retry"), "Try again"),
    ),
  );
  return { root, destroy: () => undefined };
}

begin();
