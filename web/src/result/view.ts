/** A job's results, which grow as it runs: the photo and the model side by side, and the files. Knows no other job. */

import "./result.css";
import { element } from "../element";
import { announce } from "../shell/announce";
import { createStore, type Store } from "../store";
import type { Schemas, View } from "../types";
import { arLink } from "./ar-link";
import { downloads } from "./downloads";
import { createFiles } from "./files";
import { modelPanel } from "./model";
import { firstToShow, nameOf, partsOf, type Part, type PartState } from "./parts";
import { photoPanel } from "./photo";
import { partTabs, tabId } from "./tabs";

const ENGINES: Readonly<Record<string, string>> = { sam3d: "SAM 3D Objects", preview: "the preview engine" };
const PANEL = "result-panel";

/**
 * @param given.job The job; what it holds already is shown at once, what comes later when it comes.
 * @param given.refresh Brings the job again, with new links, where the old ones no longer work.
 */
export function resultView(given: { job: Store<Schemas["Job"]>; refresh(): Promise<void> }): View {
  const gone = new AbortController();
  const files = createFiles(given.job, () => given.refresh(), gone.signal);
  const parts = createStore(partsOf(given.job.get()));
  const pointed = createStore<number | null>(null);
  const chosen = createStore(firstToShow(parts.get(), null, given.job.get().ended_at !== null));
  let chosenByUser = false;

  function choose(key: string): void {
    chosenByUser = true;
    chosen.set(key);
  }

  const tabs = partTabs({ parts, chosen, pointed, panel: PANEL, choose });
  const photo = photoPanel({
    job: given.job,
    parts,
    files,
    pointed,
    choose(index) {
      const key = parts.get().find((part) => part.index === index)?.key;
      if (key !== undefined) choose(key);
    },
    onCut: (index, picture) => tabs.setPicture(index, picture),
  });
  const model = modelPanel({ files });
  const ar = arLink({ files, refresh: () => given.refresh() });
  const saving = downloads({ files });
  const badge = element("p", { class: "result-made", hidden: true });
  const panel = element(
    "div",
    { class: "result-panel card", id: PANEL, attributes: { role: "tabpanel" } },
    model.root,
    ar.root,
  );
  const root = element(
    "section",
    { class: "result" },
    element("h2", { class: "unseen", textContent: "Result" }),
    element(
      "div",
      { class: "result-grid" },
      tabs.root,
      photo.root,
      panel,
      element("div", { class: "result-aside" }, badge),
      saving.root,
    ),
  );

  function show(): void {
    const part = parts.get().find(({ key }) => key === chosen.get());
    if (part === undefined) return;
    panel.setAttribute("aria-labelledby", tabId(part.key));
    model.show(part);
    ar.show(part);
    saving.show(part, given.job.get().files);
  }

  const known = new Map<string, PartState>(parts.get().map((part) => [part.key, part.state]));
  function tell(part: Part): void {
    const before = known.get(part.key);
    known.set(part.key, part.state);
    if (before === part.state) return;
    if (part.state === "made") announce(`${nameOf(part)}: ready.`);
    if (part.state === "failed") announce(`${nameOf(part)}: failed.`);
  }

  function sayWhoMade(job: Schemas["Job"]): void {
    badge.hidden = job.engine === null;
    if (job.engine === null || badge.dataset["engine"] === job.engine) return;
    badge.dataset["engine"] = job.engine;
    const words = `Made by ${ENGINES[job.engine] ?? job.engine}.`;
    const caution = "It blows outlines up into solids, without a GPU: their backs are guesses.";
    badge.replaceChildren(
      ...(job.preview ? [element("span", { class: "badge warn", textContent: "Preview quality" })] : []),
      element("span", { class: "hint", textContent: job.preview ? `${words} ${caution}` : words }),
    );
  }

  const endJob = given.job.subscribe((job) => {
    parts.set(partsOf(job));
    parts.get().forEach(tell);
    sayWhoMade(job);
    if (!chosenByUser) chosen.set(firstToShow(parts.get(), chosen.get(), job.ended_at !== null));
    show();
  });
  const endChosen = chosen.subscribe(show);

  return {
    root,
    destroy() {
      endJob();
      endChosen();
      gone.abort();
      for (const view of [tabs, photo, model, ar, saving]) view.destroy();
    },
  };
}
