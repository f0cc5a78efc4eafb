/** Starts the page. */
import { mount } from "svelte";
import App from "./components/App.svelte";
import "@fontsource-variable/inter/wght.css";
import "./style.css";

mount(App, { target: document.getElementById("app")! });
