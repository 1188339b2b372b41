namespace PeftCore.Tokenizers;

/// <summary>Reads the "pre_tokenizer" of a tokenizer.json.</summary>
internal static class PreTokenizerReader
{
    private static readonly CodePointPattern Spaces = new(CharacterKinds.IsWhiteSpace);
    private static readonly CodePointPattern Punctuation = new(CharacterKinds.IsPunctuation);
    private static readonly CodePointPattern Digits = new(CharacterKinds.IsNumeric);

    public static IPreTokenizer? Read(JsonField field) => field.IsNull ? null : ReadStep(field, 0);

    /// <summary>Reads the mark of a Metaspace step or decoder and where it is put.</summary>
    internal static (string Mark, PrependScheme Scheme, bool Split) ReadMetaspace(JsonField field)
    {
        field.Only("type", "replacement", "add_prefix_space", "prepend_scheme", "split", "str_rep");
        var scheme = field["prepend_scheme"].AsStringOrNull() switch
        {
            null or "always" => PrependScheme.Always,
            "first" => PrependScheme.First,
            "never" => PrependScheme.Never,
            _ => throw field["prepend_scheme"].Bad("always, first or never"),
        };
        if (!field["add_prefix_space"].AsBool(true))
        {
            if (scheme != PrependScheme.Never && !field["prepend_scheme"].IsNull)
            {
                throw field["add_prefix_space"].Bad("true where prepend_scheme is not never");
            }

            scheme = PrependScheme.Never;
        }

        return (field["replacement"].AsCharacter(), scheme, field["split"].AsBool(true));
    }

    internal static SplitBehavior ReadBehavior(JsonField field, SplitBehavior? missing = null) =>
        field.IsNull && missing is { } value ? value
        : Enum.TryParse<SplitBehavior>(field.AsString(), out var behavior) && Enum.IsDefined(behavior)
        && !char.IsAsciiDigit(field.AsString()[0])
            ? behavior
            : throw field.Bad("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");

    private static IPreTokenizer ReadStep(JsonField field, int depth) => field["type"].AsString() switch
    {
        "Sequence" when depth < 8 => new PreTokenizerSequence(
            [.. field.Only("type", "pretokenizers")["pretokenizers"].Items().Select(i => ReadStep(i, depth + 1))]),
        "ByteLevel" => ReadByteLevel(field),
        "Split" => ReadSplit(field),
        "Metaspace" => ReadMetaspace(field) is var (mark, scheme, split) ? new MetaspacePreTokenizer(mark, scheme, split) : null!,
        "BertPreTokenizer" => ReadBert(field.Only("type")),
        "Whitespace" => ReadWhitespace(field.Only("type")),
        "WhitespaceSplit" => ReadWhitespaceSplit(field.Only("type")),
        "Digits" => new PatternPreTokenizer(
            Digits, field.Only("type", "individual_digits")["individual_digits"].AsBool() ? SplitBehavior.Isolated
            : SplitBehavior.Contiguous),
        "Punctuation" => new PatternPreTokenizer(
            Punctuation, ReadBehavior(field.Only("type", "behavior")["behavior"], SplitBehavior.Isolated)),
        "CharDelimiterSplit" or "Delimiter" => new PatternPreTokenizer(
            new LiteralPattern(field.Only("type", "delimiter")["delimiter"].AsCharacter()), SplitBehavior.Removed),
        "FixedLength" => field.Only("type", "length")["length"].AsIndex(5) is > 0 and var length
            ? new FixedLengthPreTokenizer(length)
            : throw field["length"].Bad("a length of at least 1"),
        _ => throw field["type"].Bad("a pre-tokenizer that this library knows (Sequence, ByteLevel, Split, Metaspace, BertPreTokenizer, "
            + "Whitespace, WhitespaceSplit, Digits, Punctuation, CharDelimiterSplit, FixedLength)"),
    };

    private static ByteLevelPreTokenizer ReadByteLevel(JsonField field)
    {
        field.Only("type", "add_prefix_space", "trim_offsets", "use_regex");
        field["trim_offsets"].AsBool(true);
        return new ByteLevelPreTokenizer(field["add_prefix_space"].AsBool(), field["use_regex"].AsBool(true));
    }

    private static PatternPreTokenizer ReadSplit(JsonField field)
    {
        field.Only("type", "pattern", "behavior", "invert");
        return new PatternPreTokenizer(PatternReader.Read(field["pattern"]), ReadBehavior(field["behavior"]), field["invert"].AsBool());
    }

    private static PatternPreTokenizer ReadWhitespaceSplit(JsonField _) => new(Spaces, SplitBehavior.Removed);

    private static PatternPreTokenizer ReadWhitespace(JsonField _) => new(new WordPattern(), SplitBehavior.Removed, invert: true);

    private static PreTokenizerSequence ReadBert(JsonField _) =>
        new([new PatternPreTokenizer(Spaces, SplitBehavior.Removed), new PatternPreTokenizer(Punctuation, SplitBehavior.Isolated)]);
}
