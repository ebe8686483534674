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
  const wrong = element("p", {});
  const trouble = element(
    "div",
    { class: "notice warn history-trouble", hidden: true, attributes: { role: "status" } },
    wrong,
    element(
      "button",
      { type: "button", class: "button", onclick: () => void jobs.refresh() },
      icon("retry"),
      "Try again",
    ),
  );
  const more = element(
    "button",
    { type: "button", class: "button history-more", hidden: true, onclick: () => void showMore() },
    "Show more",
  );
  const root = element("div", { class: "history" }, heading, trouble, list, more);

  async function showMore(): Promise<void> {
    if (more.getAttribute("aria-disabled") === "true") return;
    more.setAttribute("aria-disabled", "true");
    const last = list.lastElementChild;
    await jobs.more();
    more.removeAttribute("aria-disabled");
    const first = last?.nextElementSibling;
    if (!first) return;
    announce("More jobs are shown.");
    // The button may have gone; one goes on reading with what has come, unless one has gone elsewhere.
    if ([more, document.body].includes(document.activeElement as HTMLElement)) first.querySelector("a")?.focus();
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

  function show({ jobs: found, next, problem }: Listing): void {
    trouble.hidden = problem === null;
    if (problem !== null && wrong.textContent !== problem.message) wrong.textContent = problem.message;
    more.hidden = next === null;
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
