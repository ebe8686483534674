/** The title of the tab, and the focus as one goes from page to page. Knows no page. */

const NAME = "Gen3D";

/** Titles the tab, so that one sees there how a job is doing: "2 of 3 · cup – Gen3D". */
export function setTitle(text: string | null): void {
  document.title = text === null ? NAME : `${text} – ${NAME}`;
}

/** Puts the focus on a page's heading, as a browser would that has loaded a page; a screen reader begins there. */
export function focusHeading(within: HTMLElement): void {
  const heading = within.querySelector("h1");
  if (heading === null) return;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  scrollTo(0, 0);
}
