import { render } from "preact";

import "@fontsource-variable/inter/wght.css";
import "../style/base.css";
import "../style/parts.css";
import "./style/frame.css";
import "./style/figures.css";
import "./style/sessions.css";
import "./style/question.css";
import { mounted } from "../mount";
import { Operator } from "./view/operator";

render(<Operator />, mounted());
