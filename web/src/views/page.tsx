import type { App } from "../app";
import { Button } from "./controls";
import { Dialogs } from "./dialogs";
import { EmptyPage } from "./empty_page";
import { Header } from "./header";
import { Panel } from "./panel";
import { StageView } from "./stage_view";
import { Tools } from "./tools";

export function Page({ app }: { app: App }) {
  const open = app.studio.current.value !== null;
  return (
    <>
      <Header app={app} />
      <main class="work">
        <Tools app={app} />
        <div class="middle">
          <StageView app={app} />
          {!open && <EmptyPage app={app} />}
          <Alerts app={app} />
        </div>
        <Panel app={app} />
      </main>
      <Footer app={app} />
      <Dialogs app={app} />
    </>
  );
}

function Alerts({ app: { notices } }: { app: App }) {
  return (
    <div class="alerts">
      {notices.alerts.value.map(({ id, text }) => (
        <div key={id} role="alert">
          <span>{text}</span>
          <Button icon="close" name="Dismiss" onClick={() => notices.dismiss(id)} />
        </div>
      ))}
    </div>
  );
}

function Footer({ app }: { app: App }) {
  const { stage } = app;
  const open = app.studio.current.value !== null;
  return (
    <footer class="footer">
      <span role="status" class="status">
        {app.status.value}
      </span>
      <span class="space" />
      {open && (
        <>
          <Button icon="minus" name="Zoom out" keys="−" onClick={() => stage.zoomOut()} />
          <span class="scale">{Math.round(100 * stage.view.value.scale)} %</span>
          <Button icon="plus" name="Zoom in" keys="+" onClick={() => stage.zoomIn()} />
          <Button icon="fit" name="Fit" keys="0" onClick={() => stage.fit()} />
        </>
      )}
    </footer>
  );
}
