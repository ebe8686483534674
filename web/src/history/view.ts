/** The page of the user's jobs, the newest first. Knows no HTTP. */

import type { JobsApi } from "../api/jobs";
import { problemOf } from "../api/problem";
import { element } from "../element";
import { isToBeRemoved } from "../job/view";
import { hashOf } from "../route";
import { announce } from "../shell/announce";
import { icon } from "../shell/icons";
import { showDone, showProblem } from "../shell/notices";
import { setTitle } from "../shell/title";
import type { View } from "../types";
import "./history.css";
import { createJobs, type Listing } from "./jobs";
import { jobRow, type Row } from "./row";

/** The page. */
export function historyView(api: JobsApi): View {
  setTitle("History");
  const jobs = createJobs(api);
  const rows = new Map<string, Row>();
  const heading = element("h1", { tabIndex: -1 }, "Your jobs");
  const list = element("ul", { class: "history-list" });
  const trouble = element("div", {
    class: "notice warn history-trouble",
    hidden: true,
    attributes: { role: "status" },
  });
  const more = element(
    "button",
    { type: "button", class: "button history-more", hidden: true, onclick: () => void showMore() },
    "Show more",
  );
  const root = element("div", { class: "history" }, heading, trouble, list, more);

  async function showMore(): Promise<void> {
    const shown = list.childElementCount;
    await jobs.more();
    const first = list.children[shown];
    announce(`${list.childElementCount - shown} more jobs.`);
    // The button may have gone; one goes on reading with what has come.
    first?.querySelector("a")?.focus();
  }
  async function remove(id: string, name: string): Promise<void> {
    if (!(await isToBeRemoved(name))) return;
    try {
      await api.remove(id);
      const after = rows.get(id)?.root.nextElementSibling ?? rows.get(id)?.root.previousElementSibling;
      jobs.drop(id);
      showDone(`“${name}” was deleted.`);
      (after?.querySelector("a") ?? heading).focus();
    } catch (thrown) {
      showProblem(problemOf(thrown));
    }
  }
  async function rename(id: string, wanted: string): Promise<string> {
    const { label } = await api.rename(id, wanted);
    jobs.rename(id, label);
    return label;
  }

  function show({ jobs: found, next, isAsking, problem }: Listing): void {
    trouble.hidden = problem === null;
    if (problem !== null) {
      trouble.replaceChildren(
        element("p", {}, problem.message),
        element(
          "button",
          { type: "button", class: "button", onclick: () => void jobs.refresh() },
          icon("retry"),
          "Try again",
        ),
      );
    }
    more.hidden = next === null;
    more.disabled = isAsking;
    list.classList.toggle("waiting", found === null && problem === null);
    if (found === null) return;
    for (const [id, { root: gone }] of rows) {
      if (found.some((job) => job.id === id)) continue;
      gone.remove();
      rows.delete(id);
    }
    found.forEach((job, place) => {
      const row = rows.get(job.id);
      if (row !== undefined) row.set(job);
      const made = row ?? jobRow(job, { rename, remove });
      rows.set(job.id, made);
      if (list.children[place] !== made.root) list.insertBefore(made.root, list.children[place] ?? null);
    });
    root.querySelector(".history-empty")?.remove();
    if (found.length === 0 && next === null) list.before(nothing());
  }
  const forget = jobs.listing.subscribe(show);
  return {
    root,
    destroy() {
      forget();
      jobs.stop();
    },
  };
}

function nothing(): HTMLElement {
  return element(
    "div",
    { class: "history-empty" },
    icon("cube"),
    element("p", {}, "What you make will stand here."),
    element("a", { class: "button primary", href: hashOf({ page: "new" }) }, icon("plus"), "Make the first"),
  );
}
