import { useState } from "preact/hooks";
import type { ParameterInfo, StepInfo } from "../api/client";
import type { App } from "../app";
import { type EditStep, isUnsaved, type Parameter } from "../state/document";
import { Button } from "./controls";

const EDGES = ["hard", "feather", "soft"];

/** Steps that change the picture around or inside its objects; taking one out undoes it. */
export function EditSection({ app }: { app: App }) {
  const { studio } = app;
  const { edits } = studio;
  const { steps } = studio.document.value;
  const [open, setOpen] = useState(false);
  const edited = studio.current.value?.edited.value;
  const learn = (event: { currentTarget: HTMLDetailsElement }) => {
    setOpen(event.currentTarget.open);
    void edits.learn();
  };
  if (steps.length > 0) void edits.learn();
  return (
    <details class="edits" open={open || steps.length > 0} onToggle={learn}>
      <summary>
        <h2 class="edits-title">Edit picture</h2>
      </summary>
      <div class="section">
        <ol aria-label="Steps">
          {steps.map((step, i) => (
            <Step key={step.id} app={app} step={step} last={i === steps.length - 1} />
          ))}
        </ol>
        <AddStep app={app} />
        {edited?.failure && (
          <p class="failure" role="alert">
            {edited.failure}
          </p>
        )}
        {steps.length > 0 && (
          <>
            <Button
              icon={edits.showOriginal.value ? "hidden" : "eye"}
              name="Show original"
              wide
              pressed={edits.showOriginal.value}
              onClick={() => {
                edits.showOriginal.value = !edits.showOriginal.value;
              }}
            />
            <Button
              icon="export"
              name="Download picture"
              wide
              kind="primary"
              disabled={!edited?.blob || edits.running.value}
              onClick={() => app.saveEdited()}
            />
            <Button icon="export" name="Download recipe" wide onClick={() => app.saveRecipe()} />
          </>
        )}
      </div>
    </details>
  );
}

function AddStep({ app: { studio } }: { app: App }) {
  const catalogue = studio.edits.catalogue.value;
  const { objects } = studio.document.value;
  const none = objects.length === 0 && !isUnsaved(studio.document.value);
  const groups = [...new Set(catalogue.map(groupOf))];
  const add = ({ currentTarget }: { currentTarget: HTMLSelectElement }) => {
    void studio.addStep(currentTarget.value);
    currentTarget.value = "";
  };
  return (
    <>
      {none && <p class="note">Steps are about objects: click on one first.</p>}
      <select
        class="field"
        aria-label="Add a step"
        disabled={none || catalogue.length === 0}
        value=""
        onChange={add}
      >
        <option value="">Add a step …</option>
        {groups.map((group) => (
          <optgroup key={group} label={group}>
            {catalogue
              .filter((info) => groupOf(info) === group)
              .map(({ step, about }) => (
                <option key={step} value={step} title={about}>
                  {titleOf(step)}
                </option>
              ))}
          </optgroup>
        ))}
      </select>
    </>
  );
}

function Step({ app: { studio }, step, last }: { app: App; step: EditStep; last: boolean }) {
  const { id, on, parameters } = step;
  const { objects } = studio.document.value;
  const info = studio.edits.catalogue.value.find((one) => one.step === step.step);
  const set = (name: string, value: Parameter) =>
    studio.dispatch({ type: "changeStep", id, values: { parameters: { ...parameters, [name]: value } } });
  const choose = (value: string) =>
    studio.dispatch({ type: "changeStep", id, values: { on: value || null } });
  return (
    <li class="step">
      <details open={last}>
        <summary title={info?.about}>{titleOf(step.step)}</summary>
        <div class="form">
          <Select
            label="Objects"
            value={on ?? ""}
            options={[["", "All"], ...objects.map(({ id, name }): [string, string] => [id, name])]}
            onChange={choose}
          />
          {info?.parameters.map((parameter) => (
            <Field
              key={parameter.name}
              info={parameter}
              value={parameters[parameter.name] ?? parameter.default}
              onChange={(value) => set(parameter.name, value)}
            />
          ))}
          <Select
            label="Edge"
            value={String(parameters.edge)}
            options={EDGES.map((edge) => [edge, edge])}
            onChange={(value) => set("edge", value)}
          />
        </div>
      </details>
      <Button
        icon="delete"
        name={`Remove ${titleOf(step.step)}`}
        onClick={() => studio.dispatch({ type: "removeStep", id })}
      />
    </li>
  );
}

interface FieldProps {
  readonly info: ParameterInfo;
  readonly value: Parameter;
  readonly onChange: (value: Parameter) => void;
}

function Field({ info, value, onChange }: FieldProps) {
  const label = titleOf(info.name);
  switch (info.kind) {
    case "choice":
      return (
        <Select
          label={label}
          about={info.about}
          value={String(value)}
          options={(info.options ?? []).map((option) => [option, option])}
          onChange={onChange}
        />
      );
    case "flag":
      return (
        <label class="line" title={info.about}>
          <span>{label}</span>
          <input
            type="checkbox"
            checked={value === true}
            onChange={({ currentTarget }) => onChange(currentTarget.checked)}
          />
        </label>
      );
    case "colour":
      return (
        <label class="line" title={info.about}>
          <span>{label}</span>
          <input
            type="color"
            value={String(value)}
            onChange={({ currentTarget }) => onChange(currentTarget.value)}
          />
        </label>
      );
    case "number":
      return <NumberField info={info} value={value} onChange={onChange} />;
  }
}

function NumberField({ info, value, onChange }: FieldProps) {
  const [low, high] = [info.low ?? -Infinity, info.high ?? Infinity];
  const change = ({ currentTarget }: { currentTarget: HTMLInputElement }) => {
    const typed = currentTarget.valueAsNumber;
    const within = Number.isFinite(typed) ? Math.min(high, Math.max(low, typed)) : Number(value);
    currentTarget.value = String(within);
    if (within !== value) onChange(within);
  };
  return (
    <label class="line" title={`${info.about}, ${low} to ${high}`}>
      <span>{titleOf(info.name)}</span>
      <input
        type="number"
        class="field"
        min={low}
        max={high}
        step={high - low <= 10 ? 0.05 : 1}
        value={Number(value)}
        onChange={change}
      />
    </label>
  );
}

interface SelectProps {
  readonly label: string;
  readonly about?: string;
  readonly value: string;
  readonly options: readonly (readonly [string, string])[];
  readonly onChange: (value: string) => void;
}

function Select({ label, about, value, options, onChange }: SelectProps) {
  return (
    <label class="line" title={about}>
      <span>{label}</span>
      <select class="field" value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        {options.map(([option, name]) => (
          <option key={option} value={option}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** "background-blur" as people read it. */
function titleOf(name: string): string {
  const words = name.replace(/[-_]/g, " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function groupOf({ step, parameters }: StepInfo): string {
  if (step.startsWith("background") || step === "shadow") return "Background";
  return parameters.some(({ name }) => name === "where") ? "Colours and filters" : "Objects";
}
