namespace PeftCore.Tokenizers;

/// <summary>Reads a pattern: {"String": …} or {"Regex": …}.</summary>
internal static class PatternReader
{
    public static IPattern Read(JsonField field)
    {
        var members = field.Only("String", "Regex").Members().ToList();
        if (members.Count != 1)
        {
            throw field.Bad("a pattern with one member, String or Regex");
        }

        var (name, value) = members[0];
        string text = value.AsString();
        try
        {
            // The empty string matches between all characters, which only a regular expression does.
            return name == "Regex" || text.Length == 0 ? new RegexPattern(text) : new LiteralPattern(text);
        }
        catch (BadInputException e)
        {
            throw new BadInputException($"{field.File}: {value.Path}: {e.Message}", e);
        }
    }
}
