/** One job in the list: picture, name, how it is doing, rename and delete. Knows no list and no API. */

import { element } from "../element";
import { statusBadge } from "../job/badge";
import { editableName } from "../job/name";
import { NAMELESS } from "../job/view";
import { agoOf, failureOf, momentOf } from "../job/words";
import { hashOf } from "../route";
import { icon } from "../shell/icons";
import type { Schemas } from "../types";
import { jobPicture } from "./picture";

type Summary = Schemas["Summary"];

export interface Row {
  readonly root: HTMLLIElement;
  set(job: Summary): void;
}

/** A row; its name is the link to the job. */
export function jobRow(
  job: Summary,
  given: { rename(id: string, label: string): Promise<string>; remove(id: string, name: string): Promise<void> },
): Row {
  const link = element("a", { class: "history-link", href: hashOf({ page: "job", id: job.id }) });
  const name = editableName({
    heading: element("h2", { class: "history-title" }, link),
    text: link,
    rename: (label) => given.rename(job.id, label),
  });
  const state = element("p", { class: "job-state" });
  const picture = jobPicture();
  const remove = element(
    "button",
    {
      type: "button",
      class: "button quiet icon history-delete",
      onclick: () => void given.remove(job.id, link.textContent),
      attributes: { title: "Delete" },
    },
    icon("trash"),
  );
  const root = element(
    "li",
    { class: "card history-row" },
    picture.root,
    element("div", { class: "history-body" }, name.root, state),
    remove,
  );
  let shown = "";

  function set(now: Summary): void {
    picture.offer(now.thumbnail_url);
    name.set(now.label ?? NAMELESS);
    remove.setAttribute("aria-label", `Delete ${link.textContent}`);
    const percent = now.status === "running" ? ` · ${Math.round(now.percent)} %` : "";
    const ago = agoOf(now.created_at, Date.now());
    const text = [now.status, percent, ago].join("\n");
    if (text === shown) return;
    shown = text;
    state.replaceChildren(
      statusBadge(now.status, percent),
      element("time", { dateTime: now.created_at, title: momentOf(now.created_at) }, ago),
      ...(now.error === null || now.status === "cancelled"
        ? []
        : [element("span", { class: "history-why" }, failureOf(now.error).what)]),
    );
  }
  set(job);
  return { root, set };
}
