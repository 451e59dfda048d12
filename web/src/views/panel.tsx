import type { App } from "../app";
import { isEmpty, type MaskObject } from "../state/document";
import { Candidates } from "./candidates";
import { Button, Slider } from "./controls";
import { EditSection } from "./edit_section";

/** The column beside the picture: what to do with the mask, and the objects there are. */
export function Panel({ app }: { app: App }) {
  const { studio } = app;
  return (
    <aside class="panel" aria-label="Masks">
      {studio.settings.tool.value === "everything" && <EverythingSection app={app} />}
      <Candidates app={app} />
      <Actions app={app} />
      <Objects app={app} />
      <EditSection app={app} />
      <Slider
        name="Mask opacity"
        min={0}
        max={1}
        step={0.05}
        value={studio.settings.opacity.value}
        onInput={(value) => {
          studio.settings.opacity.value = value;
        }}
      />
    </aside>
  );
}

function EverythingSection({ app }: { app: App }) {
  const { studio } = app;
  const picture = studio.current.value;
  const { state, done, total } = picture?.everything.value ?? { state: "idle", done: 0, total: 0 };
  const found = studio.found.value;
  if (state === "running") {
    return (
      <section class="section">
        <progress aria-label="Finding everything" max={1} value={total ? done / total : undefined} />
        <Button icon="close" name="Cancel" wide onClick={() => studio.cancelEverything()} />
      </section>
    );
  }
  return (
    <section class="section">
      <Button
        icon="everything"
        name="Find everything"
        wide
        kind="primary"
        disabled={!picture}
        onClick={() => void studio.findEverything()}
      />
      <TextSearch app={app} />
      {state === "done" && (
        <>
          <p class="note">
            {found.length === 0 ? "Nothing to keep." : `${found.length} masks: click the ones to keep.`}
          </p>
          <Button
            icon="save"
            name="Keep all"
            wide
            disabled={found.length === 0}
            onClick={() => studio.keep(found)}
          />
        </>
      )}
    </section>
  );
}

function TextSearch({ app: { studio } }: { app: App }) {
  const disabled = !studio.current.value;
  return (
    <form
      class="search"
      onSubmit={(event) => {
        event.preventDefault();
        void studio.findText();
      }}
    >
      <input
        type="text"
        aria-label="Find by words"
        placeholder="a cup, a spoon"
        title="Phrases, with commas between them"
        maxLength={200}
        autocomplete="off"
        value={studio.phrases.value}
        disabled={disabled}
        onInput={(event) => {
          studio.phrases.value = event.currentTarget.value;
        }}
      />
      <button type="submit" class="button plain wide" disabled={disabled}>
        Find
      </button>
    </form>
  );
}

function Actions({ app }: { app: App }) {
  const { studio } = app;
  const history = studio.current.value?.history.value;
  const draft = studio.draft.value;
  const empty = isEmpty(draft);
  return (
    <section class="section actions">
      <Button
        icon="undo"
        name="Undo"
        keys="Ctrl Z"
        disabled={!history?.past.length}
        onClick={() => studio.undo()}
      />
      <Button
        icon="redo"
        name="Redo"
        keys="Ctrl Shift Z"
        disabled={!history?.future.length}
        onClick={() => studio.redo()}
      />
      <Button icon="reset" name="Reset" keys="Esc" disabled={empty} onClick={() => studio.reset()} />
      <Button
        icon="delete"
        name="Delete object"
        keys="Delete"
        disabled={draft.objectId === null}
        onClick={() => studio.deleteEdited()}
      />
      <Button
        icon="save"
        name="Save object"
        keys="Enter"
        wide
        kind="primary"
        disabled={empty}
        onClick={() => void studio.save()}
      />
      <Button
        icon="cut"
        name="Cut out object"
        keys="C"
        wide
        disabled={empty}
        onClick={() => void app.cutOut()}
      />
    </section>
  );
}

function Objects({ app }: { app: App }) {
  const { objects, draft } = app.studio.document.value;
  return (
    <section class="section objects">
      <h2 id="objects-title">Objects</h2>
      {objects.length === 0 && <p class="note">Saved masks are listed here.</p>}
      <ul aria-label="Objects">
        {objects.map((object) => (
          <Row key={object.id} app={app} object={object} edited={object.id === draft.objectId} />
        ))}
      </ul>
    </section>
  );
}

function Row({ app: { studio }, object, edited }: { app: App; object: MaskObject; edited: boolean }) {
  const { id, name, colour, visible } = object;
  const choose = ({ target }: Event) => {
    if (!(target as Element).closest("button, input[type=color]")) void studio.edit(id);
  };
  const confirmName = (event: KeyboardEvent & { currentTarget: HTMLInputElement }) => {
    if (event.key !== "Enter") return;
    event.currentTarget.blur();
    void studio.edit(id);
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Enter in the name does what a click on the row does
    <li class="row" data-edited={edited || undefined} onClick={choose}>
      <input
        type="color"
        aria-label={`Colour of ${name}`}
        value={colour}
        onChange={(event) => studio.dispatch({ type: "recolour", id, colour: event.currentTarget.value })}
      />
      <input
        type="text"
        aria-label={`Name of ${name}`}
        value={name}
        maxLength={80}
        onChange={(event) => studio.dispatch({ type: "rename", id, name: event.currentTarget.value })}
        onKeyDown={confirmName}
      />
      <span class="buttons">
        <Button
          icon={visible ? "eye" : "hidden"}
          name={`${visible ? "Hide" : "Show"} ${name}`}
          onClick={() => studio.dispatch({ type: "show", id, visible: !visible })}
        />
        <Button
          icon="delete"
          name={`Delete ${name}`}
          onClick={() => studio.dispatch({ type: "delete", id })}
        />
      </span>
    </li>
  );
}
