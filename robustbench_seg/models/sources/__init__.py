"""Where networks come from that `-m SOURCE:NAME` names: libraries, folders they wrote, and files of other formats."""
