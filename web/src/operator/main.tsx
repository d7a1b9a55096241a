import { render } from "preact";

import "../style/base.css";
import { mounted } from "../mount";

render(<h1>Operator</h1>, mounted());
