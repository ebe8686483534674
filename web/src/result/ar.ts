/** Augmented reality on phones: what this one can open, and its links. Knows no job. */

export type ArKind = "quick-look" | "scene-viewer";

/**
 * What opens a model in the room: Quick Look on iOS (a USDZ), Scene Viewer on Android (a GLB); null elsewhere.
 *
 * @param agent The browser's `navigator.userAgent`.
 * @param opensAr Whether links with rel="ar" are known, which Apple asks pages to look for.
 */
export function arKindOf(agent: string, opensAr: boolean): ArKind | null {
  if (opensAr) return "quick-look";
  // Firefox passes no intents on, and headsets run Android without Scene Viewer.
  return /android/i.test(agent) && !/firefox|oculusbrowser/i.test(agent) ? "scene-viewer" : null;
}

/**
 * The link that opens a GLB in Scene Viewer, which fetches it by itself; null where it could not reach it.
 * https://developers.google.com/ar/develop/scene-viewer
 */
export function sceneViewerLink(url: string, title: string, page: string): string | null {
  if (!url.startsWith("https://")) return null;
  const asked = new URLSearchParams({ file: url, mode: "ar_preferred", title });
  const fallback = encodeURIComponent(page);
  return (
    `intent://arvr.google.com/scene-viewer/1.2?${asked.toString()}#Intent;scheme=https;` +
    `package=com.google.android.googlequicksearchbox;action=android.intent.action.VIEW;` +
    `S.browser_fallback_url=${fallback};end;`
  );
}

/** When a presigned link ends, in milliseconds since 1970; null where it does not say. */
export function linkEnd(url: string): number | null {
  const asked = new URL(url).searchParams;
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(asked.get("X-Amz-Date") ?? "");
  const seconds = Number(asked.get("X-Amz-Expires") ?? NaN);
  if (match === null || !Number.isFinite(seconds)) return null;
  const [year = 0, month = 1, ...rest] = match.slice(1).map(Number);
  const [day, hour, minute, second] = rest;
  return Date.UTC(year, month - 1, day, hour, minute, second) + seconds * 1000;
}
