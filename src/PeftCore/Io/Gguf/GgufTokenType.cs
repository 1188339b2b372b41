namespace PeftCore.Io.Gguf;

/// <summary>The kind of a token in a GGUF file, by its number there.</summary>
internal enum GgufTokenType
{
    /// <summary>None given.</summary>
    Undefined,

    /// <summary>A piece of text.</summary>
    Normal,

    /// <summary>The token for unknown text.</summary>
    Unknown,

    /// <summary>A token with a meaning beyond text.</summary>
    Control,

    /// <summary>An added piece of text, which is found before the text is divided.</summary>
    UserDefined,

    /// <summary>A filler of an id that no text has.</summary>
    Unused,

    /// <summary>One byte, written "&lt;0x0A&gt;".</summary>
    Byte,
}
