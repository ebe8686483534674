/** The files of the chosen part and of the whole job, to be saved. Knows not how they come. */

import { sizeText } from "../amounts";
import { problemOf } from "../api/problem";
import { element } from "../element";
import { announce } from "../shell/announce";
import { icon } from "../shell/icons";
import type { Schemas, View } from "../types";
import type { Files } from "./files";
import { inOrder, kindOf, saveName } from "./kinds";
import { nameOf, sameFiles, type Part } from "./parts";

type File = Schemas["File"];

export interface Downloads extends View {
  /** Lists the files of a part, and those of the job that are not its own; nothing moves where they are the same. */
  show(part: Part, ofJob: readonly File[]): void;
}

// Long enough for a browser to begin to read what it saves.
const KEEP_MS = 60_000;

export function downloads(given: { files: Files }): Downloads {
  const title = element("h3");
  const list = element("ul", { class: "result-files" });
  const moreList = element("ul", { class: "result-files" });
  const more = element(
    "details",
    { class: "result-more" },
    element("summary", { textContent: "The whole job" }),
    moreList,
  );
  const nothing = element("p", { class: "hint", textContent: "Files appear here as they are made." });
  const root = element(
    "section",
    { class: "result-downloads card", ariaLabel: "Downloads" },
    title,
    nothing,
    list,
    more,
  );

  let heading = "";
  let own: readonly File[] = [];
  let rest: readonly File[] = [];

  function row(file: File, label: string | null): HTMLElement {
    const kind = kindOf(file.name);
    const words = element("span", { class: "result-file-words", textContent: "Download" });
    const problem = element("p", { class: "problem", hidden: true });
    const what = kind?.title ?? file.name;
    const button = element(
      "button",
      {
        type: "button",
        class: "button",
        ariaLabel: `Download ${what}, ${sizeText(file.bytes)}`,
        onclick: () => void save(),
      },
      icon("download"),
      words,
    );

    async function save(): Promise<void> {
      if (button.ariaDisabled === "true") return;
      button.ariaDisabled = "true";
      problem.hidden = true;
      try {
        const blob = await given.files.blob(file.name, (loaded) => {
          words.textContent = `${Math.min(100, Math.round((loaded / Math.max(file.bytes, 1)) * 100))} %`;
        });
        // S3 is another origin, where browsers ignore `download`: a blob is of the page's own.
        const url = URL.createObjectURL(blob);
        element("a", { href: url, download: saveName(file.name, label) }).click();
        setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
        announce(`${what} saved.`);
      } catch (thrown) {
        const { code, message } = problemOf(thrown);
        if (code !== "aborted") {
          problem.textContent = message;
          problem.hidden = false;
          announce(message);
        }
      } finally {
        button.ariaDisabled = null;
        words.textContent = "Download";
      }
    }

    return element(
      "li",
      { class: "result-file" },
      element(
        "div",
        { class: "result-file-what" },
        element(
          "p",
          {},
          element("strong", { textContent: what }),
          " ",
          element("span", { class: "hint", textContent: sizeText(file.bytes) }),
        ),
        kind && element("p", { class: "hint", textContent: kind.use }),
        problem,
      ),
      button,
    );
  }

  return {
    root,
    show(part, ofJob) {
      if (heading !== part.key) title.textContent = `Download ${part.label ?? part.title.toLowerCase()}`;
      if (heading !== part.key || !sameFiles(own, part.files)) {
        own = part.files;
        list.replaceChildren(...inOrder(own).map((file) => row(file, part.label)));
        nothing.hidden = own.length > 0 || part.state === "failed" || part.state === "absent";
      }
      heading = part.key;
      const others = ofJob.filter((file) => file.name !== (part.index === null ? part.model?.name : null));
      if (!sameFiles(rest, others)) {
        rest = others;
        moreList.replaceChildren(...inOrder(rest).map((file) => row(file, null)));
      }
      more.hidden = rest.length === 0;
      root.ariaLabel = `Downloads of ${nameOf(part)}`;
    },
    destroy() {
      // Nothing outlives the elements.
    },
  };
}
