/** Starts the officer's page. */
import { mount } from "svelte";
import Unit from "./Unit.svelte";
import "@fontsource-variable/inter/wght.css";
import "./unit.css";

mount(Unit, { target: document.getElementById("app")! });
