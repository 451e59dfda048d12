/** Buttons and choices that all views share. */

import type { ComponentChildren } from "preact";
import { Icon, type IconName } from "./icons";

interface ButtonProps {
  readonly icon: IconName;
  /** The accessible name; shown beside the icon where `wide`. */
  readonly name: string;
  readonly keys?: string;
  readonly wide?: boolean;
  readonly kind?: "plain" | "primary";
  readonly disabled?: boolean;
  readonly pressed?: boolean;
  readonly onClick: () => void;
}

export function Button({ icon, name, keys, wide, kind = "plain", disabled, pressed, onClick }: ButtonProps) {
  return (
    <button
      type="button"
      class={`button ${kind} ${wide ? "wide" : ""}`}
      aria-label={name}
      aria-pressed={pressed}
      title={keys ? `${name} (${keys})` : name}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
      {wide && <span class="label">{name}</span>}
    </button>
  );
}

interface ChoiceProps {
  readonly group: string;
  readonly name: string;
  readonly icon?: IconName;
  readonly keys?: string;
  readonly checked: boolean;
  readonly disabled?: boolean;
  readonly children?: ComponentChildren;
  readonly onChoose: () => void;
}

/** One radio of a group: the input covers its picture, so that pointers and tests meet the real thing. */
export function Choice({ group, name, icon, keys, checked, disabled, children, onChoose }: ChoiceProps) {
  return (
    <label class="choice" title={keys ? `${name} (${keys})` : name}>
      <input
        type="radio"
        name={group}
        aria-label={name}
        checked={checked}
        disabled={disabled}
        onChange={onChoose}
      />
      {icon && <Icon name={icon} />}
      {children ?? <span class="label">{name}</span>}
    </label>
  );
}

interface SliderProps {
  readonly name: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly onInput: (value: number) => void;
}

export function Slider({ name, value, min, max, step, onInput }: SliderProps) {
  return (
    <label class="slider">
      <span>{name}</span>
      <input
        type="range"
        min={min}
        max={max}
        step={step}
        value={value}
        onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
      />
    </label>
  );
}
