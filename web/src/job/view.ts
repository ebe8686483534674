/** The page of one job: how it is doing, what one may do with it, what it made. Knows no HTTP. */

import type { JobsApi } from "../api/jobs";
import { problemOf, type Problem } from "../api/problem";
import { element } from "../element";
import { resultView } from "../result/view";
import { hashOf } from "../route";
import { announce } from "../shell/announce";
import { confirmed } from "../shell/dialog";
import { icon, type IconName } from "../shell/icons";
import { showDone, showProblem } from "../shell/notices";
import { setTitle } from "../shell/title";
import { createStore, type Store } from "../store";
import type { Schemas, View } from "../types";
import { statusBadge } from "./badge";
import { follow } from "./follow";
import "./job.css";
import { editableName } from "./name";
import { newsOf } from "./news";
import { titleOf } from "./steps";
import { wayView } from "./way";
import { agoOf, failureOf, hasEnded, lookOf, momentOf, spanOf, wentWell } from "./words";

type Job = Schemas["Job"];

/** What a job without a name is called. */
export const NAMELESS = "Your job";

interface Given {
  readonly id: string;
  readonly api: JobsApi;
  /** Shows another job, or the list of all. */
  readonly goTo: (id: string | null) => void;
  /** Makes this job's photo and boxes the ones in work, and shows them. */
  readonly change: (job: Job) => Promise<void>;
}

/** The page. */
export function jobView({ id, api, goTo, change }: Given): View {
  const following = follow((signal) => api.get(id, signal));
  const title = element("span", {}, NAMELESS);
  const name = editableName({
    heading: element("h1", {}, title),
    text: title,
    async rename(wanted) {
      const { label } = await api.rename(id, wanted);
      // The tab's title has it too, and an answer from before must not bring the old one back.
      lookAgain();
      return label;
    },
  });
  const state = element("p", { class: "job-state" });
  const actions = element("div", { class: "job-actions" });
  const trouble = element("p", { class: "notice warn", hidden: true, attributes: { role: "status" } });
  const failure = element("div", { class: "notice bad job-failure", hidden: true });
  const way = wayView();
  way.root.hidden = true;
  const result = element("div", { class: "job-result" });
  const root = element(
    "div",
    { class: "job" },
    element("header", { class: "job-head" }, name.root, state, actions),
    trouble,
    failure,
    way.root,
    result,
  );

  let isGone = false;
  const does: Readonly<Record<Action, () => Promise<void>>> = {
    async retry() {
      const made = await api.retry(id);
      leaveFor(made.id);
    },
    async change() {
      // The link to the photo may have run out.
      await following.refresh();
      const job = following.job.get();
      if (job !== null && !isGone) await change(job);
    },
    async cancel() {
      const isSure = await confirmed({
        title: "Cancel this job?",
        text: "It ends at once, and what is made already stays. The GPU cannot be stopped in the middle of an object: it stops before the next one.",
        yes: "Cancel the job",
        no: "Let it run",
        danger: true,
      });
      if (!isSure) return;
      await api.cancel(id);
      lookAgain();
    },
    async remove() {
      if (!(await isToBeRemoved(title.textContent))) return;
      await api.remove(id);
      showDone(`“${title.textContent}” was deleted.`);
      leaveFor(null);
    },
  };
  /** Where that does not come through, it is said at the top. */
  function lookAgain(): void {
    following.refresh().catch(() => undefined);
  }
  /** Unless one has gone elsewhere meanwhile. */
  function leaveFor(other: string | null): void {
    if (!isGone) goTo(other);
  }
  async function act(action: Action, button: HTMLButtonElement): Promise<void> {
    // It keeps the focus, which a disabled one would lose: a dialog gives it back.
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    try {
      await does[action]();
    } catch (thrown) {
      const problem = problemOf(thrown);
      // It ended in this very moment: that is shown then.
      if (problem.code === "job_ended") lookAgain();
      else showProblem(problem);
    } finally {
      button.removeAttribute("aria-disabled");
    }
  }

  let shown: { readonly job: Store<Job>; readonly view: View } | null = null;
  let offered = "";
  let before: Job | null = null;
  function show(job: Job): void {
    const isOver = hasEnded(job.status);
    name.set(job.label ?? NAMELESS);
    setTitle(titleOf(job, isOver ? lookOf(job.status).text : null));
    state.replaceChildren(statusBadge(job.status), ...stateWords(job));
    const wanted = actionsFor(job);
    if (wanted.join() !== offered) {
      offered = wanted.join();
      const hadFocus = actions.contains(document.activeElement);
      actions.replaceChildren(...wanted.map((action) => actionButton(action, act)));
      if (hadFocus) actions.querySelector("button")?.focus();
    }
    // What was seen under way stays when it went well, so that nothing jumps; else what went wrong takes its place.
    way.root.hidden = isOver && (way.root.hidden || !wentWell(job.status));
    way.set(job);
    failure.hidden = job.error === null || job.status === "cancelled";
    if (job.error !== null && before?.error?.code !== job.error.code)
      failure.replaceChildren(...failureWords(job.error));
    if (shown === null) {
      const store = createStore(job);
      shown = { job: store, view: resultView({ job: store, refresh: () => following.refresh() }) };
      result.append(shown.view.root);
    } else shown.job.set(job);
    const news = newsOf(before, job);
    if (news !== null) announce(news);
    before = job;
  }
  const forget = [
    following.job.subscribe((job) => {
      if (job !== null) show(job);
    }),
    following.problem.subscribe((problem) => {
      trouble.hidden = problem === null;
      if (problem === null) return;
      const text = troubleText(problem, following.job.get());
      if (problem.code === "job_not_found") {
        const hadFocus = root.contains(document.activeElement);
        root.replaceChildren(...notFound());
        if (hadFocus) root.querySelector("h1")?.focus();
      } else if (trouble.textContent !== text) trouble.textContent = text;
    }),
  ];
  setTitle("Job");
  return {
    root,
    destroy() {
      isGone = true;
      following.stop();
      for (const each of forget) each();
      way.destroy();
      shown?.view.destroy();
    },
  };
}

type Action = "retry" | "change" | "cancel" | "remove";

const ACTIONS: Readonly<Record<Action, readonly [IconName, string, string]>> = {
  retry: ["retry", "Try again", "button primary"],
  change: ["boxes", "Change boxes", "button"],
  cancel: ["stop", "Cancel", "button"],
  remove: ["trash", "Delete", "button quiet"],
};

/** What one may do with a job as it is: what went well needs no second try, and without its photo nothing can be made. */
function actionsFor(job: Job): readonly Action[] {
  if (!hasEnded(job.status)) return ["cancel", "remove"];
  if (job.image_url === null) return ["remove"];
  return job.status === "succeeded" ? ["change", "remove"] : ["retry", "change", "remove"];
}

function actionButton(action: Action, act: (action: Action, button: HTMLButtonElement) => Promise<void>): HTMLElement {
  const [name, text, look] = ACTIONS[action];
  const button = element(
    "button",
    { type: "button", class: look, onclick: () => void act(action, button) },
    icon(name),
    text,
  );
  return button;
}

/** Asks; also for the list of jobs. */
export function isToBeRemoved(name: string): Promise<boolean> {
  return confirmed({
    title: "Delete this job?",
    text: `“${name}”, its photo and all its meshes will be gone for good.`,
    yes: "Delete",
    no: "Keep it",
    danger: true,
  });
}

function stateWords(job: Job): (Node | string)[] {
  const made = element(
    "time",
    { dateTime: job.created_at, title: momentOf(job.created_at) },
    agoOf(job.created_at, Date.now()),
  );
  if (job.ended_at === null) return [made];
  return [element("span", {}, made, ` · took ${spanOf(Date.parse(job.ended_at) - Date.parse(job.created_at))}`)];
}

function failureWords(error: Schemas["Problem"]): HTMLElement[] {
  const { what, advice, said } = failureOf(error);
  return [
    element("p", {}, element("strong", {}, what), ` ${advice}`),
    ...(said === null ? [] : [element("p", { class: "job-said" }, said)]),
  ];
}

function troubleText(problem: Problem, job: Job | null): string {
  return job === null
    ? problem.message
    : `${problem.message} What you see may be old; it is asked for again and again.`;
}

function notFound(): HTMLElement[] {
  setTitle("No such job");
  return [
    element("h1", { tabIndex: -1 }, "There is no such job"),
    element("p", {}, "It was deleted, or it is somebody else’s."),
    element(
      "p",
      {},
      element("a", { class: "button", href: hashOf({ page: "history" }) }, icon("history"), "Your jobs"),
    ),
  ];
}
