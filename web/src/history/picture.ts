/** The picture of a job: fetched once, when it comes into view, and an icon until then. Knows no list. */

import { bytesAt } from "../api/bytes";
import { element } from "../element";
import { icon } from "../shell/icons";

export interface Picture {
  readonly root: HTMLElement;
  /** Where it is; null where there is none. Links change with every answer, and the newest is followed. */
  offer(url: string | null): void;
}

/** The icon, which gives way to the picture. */
export function jobPicture(): Picture {
  const root = element("div", { class: "history-picture", attributes: { "aria-hidden": "true" } }, icon("cube"));
  let link: string | null = null;
  const watch = new IntersectionObserver((seen) => {
    if (link === null || !seen.some(({ isIntersecting }) => isIntersecting)) return;
    watch.disconnect();
    void show(link, root);
  });
  return {
    root,
    offer(url) {
      // Observed anew, it tells at once whether it is in view.
      if (link === null && url !== null) watch.observe(root);
      link = url;
    },
  };
}

/** S3 is another origin, and the page shows no pictures of others': so it is fetched. */
async function show(url: string, root: HTMLElement): Promise<void> {
  const picture = await bytesAt(url).catch(() => null);
  // The icon does as well.
  if (picture === null) return;
  const source = URL.createObjectURL(picture);
  const image = element("img", { src: source, alt: "", decoding: "async" });
  image.onload = image.onerror = () => URL.revokeObjectURL(source);
  root.replaceChildren(image);
}
