/** Edits: after every change of a picture's steps the server does them anew, on the original. */

import { computed, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import { type Client, isAbort, type StepInfo } from "../api/client";
import type { Document, EditStep, Parameter } from "./document";
import { newId } from "./ids";
import { type Notices, sentence } from "./notices";
import { patiently } from "./patience";
import type { Edited, Picture } from "./picture";
import type { Preparation } from "./preparation";
import { recipeOf } from "./recipe";

export class Edits {
  /** What steps there are; empty until the server has told. */
  readonly catalogue = signal<readonly StepInfo[]>([]);
  /** Whether the picture is shown as it was. */
  readonly showOriginal = signal(false);
  readonly running = signal(false);
  /** The current picture's edited pixels, where they are to be seen. */
  readonly shown: ReadonlySignal<Blob | null>;
  /** The current picture's recipe as JSON; null without steps. */
  readonly recipe: ReadonlySignal<string | null>;
  private asked = false;

  constructor(
    private readonly client: Client,
    private readonly preparation: Preparation,
    private readonly notices: Notices,
    private readonly current: ReadonlySignal<Picture | null>,
    document: ReadonlySignal<Document>,
  ) {
    const objects = computed(() => document.value.objects);
    const steps = computed(() => document.value.steps);
    this.recipe = computed(() =>
      steps.value.length > 0
        ? JSON.stringify(recipeOf({ objects: objects.value, steps: steps.value }))
        : null,
    );
    this.shown = computed(() =>
      this.showOriginal.value ? null : (current.value?.edited.value?.blob ?? null),
    );
    effect(() => {
      const picture = current.value;
      if (picture && this.recipe.value === null) picture.edited.value = null;
      else untracked(() => void this.work());
    });
  }

  /** Asks for the catalogue, once. */
  async learn(): Promise<void> {
    if (this.asked) return;
    this.asked = true;
    const forever = new AbortController().signal;
    try {
      this.catalogue.value = await patiently(() => this.client.editSteps(), this.notices, forever);
    } catch (error) {
      this.asked = false;
      this.notices.alert(`The steps of edits are not known. ${sentence(error)}`);
    }
  }

  /** A step of that name as it is by default, about all objects. */
  create(name: string): EditStep | null {
    const info = this.catalogue.value.find(({ step }) => step === name);
    if (!info) return null;
    const values = info.parameters.map(({ name, default: value }): [string, Parameter] => [name, value]);
    return {
      id: newId(),
      step: name,
      on: null,
      parameters: { edge: info.edge, ...Object.fromEntries(values) },
    };
  }

  /** Until what is shown is what the steps say. */
  private async work(): Promise<void> {
    if (this.running.value) return;
    this.running.value = true;
    try {
      for (let work = this.open(); work; work = this.open()) {
        const [picture, recipe] = work;
        const edited = await this.ask(picture, recipe);
        if (edited) picture.edited.value = edited;
      }
    } finally {
      this.running.value = false;
    }
  }

  /** What is to be done next. */
  private open(): [Picture, string] | null {
    const picture = this.current.peek();
    const recipe = this.recipe.peek();
    if (!picture || recipe === null || picture.closing.signal.aborted) return null;
    return picture.edited.peek()?.recipe === recipe ? null : [picture, recipe];
  }

  private async ask(picture: Picture, recipe: string): Promise<Edited | null> {
    const { signal } = picture.closing;
    try {
      const blob = await this.preparation.known(picture, ({ id }) => this.client.edit(id, recipe, signal));
      return { recipe, blob, failure: "" };
    } catch (error) {
      return isAbort(error) ? null : { recipe, blob: null, failure: sentence(error) };
    }
  }
}
