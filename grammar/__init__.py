"""The languages as text: Lark grammars, and the lexer that feeds YAML events to Lark."""
