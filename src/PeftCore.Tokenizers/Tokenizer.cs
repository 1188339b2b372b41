namespace PeftCore.Tokenizers;

/// <summary>Encodes text as token ids and decodes them, as a Hugging Face tokenizer.json describes. Safe for use from many threads
/// at once.</summary>
/// <example>
/// <code>
/// var tokenizer = Tokenizer.FromDirectory(modelDirectory);
/// int[] ids = tokenizer.Encode("Once upon a time").Ids;
/// Console.WriteLine($"{ids.Length} tokens: {tokenizer.Decode(ids)}");
/// </code>
/// </example>
public sealed partial class Tokenizer
{
    private readonly IPreTokenizer? _preTokenizer;
    private readonly ITokenModel _model;
    private readonly IPostProcessor? _postProcessor;
    private readonly IDecoder? _decoder;
    private readonly AddedVocabulary _added;
    private readonly Dictionary<string, Lazy<ChatTemplate>> _chatTemplates;

    internal Tokenizer(
        AddedVocabulary added,
        IPreTokenizer? preTokenizer,
        ITokenModel model,
        IPostProcessor? postProcessor,
        IDecoder? decoder,
        TokenizerConfig config,
        IReadOnlyList<string> warnings)
    {
        _added = added;
        _preTokenizer = preTokenizer;
        _model = model;
        _postProcessor = postProcessor;
        _decoder = decoder;
        Config = config;
        _chatTemplates = config.ChatTemplates.ToDictionary(t => t.Key, t => new Lazy<ChatTemplate>(() => ChatTemplate.Parse(t.Value)));
        Warnings = [.. config.Warnings, .. warnings, .. TokenizerWarnings.Of(this, config)];
    }

    /// <summary>How many tokens there are: those of the model and the added ones that it lacks.</summary>
    public int VocabularySize => _model.VocabularySize + _added.NotInModel;

    /// <summary>The largest id of any token. A model's embedding has at least one row more.</summary>
    public int LargestId => Math.Max(_model.LargestId, _added.LargestId);

    /// <summary>The token that begins a sequence, where the tokenizer's directory names one.</summary>
    public string? BosToken => Config.Token("bos_token");

    /// <summary>The token that ends a sequence, where the tokenizer's directory names one.</summary>
    public string? EosToken => Config.Token("eos_token");

    /// <summary>The token that fills up short sequences of a batch, where the tokenizer's directory names one.</summary>
    public string? PadToken => Config.Token("pad_token");

    /// <summary>The token for unknown text, where the tokenizer's directory names one.</summary>
    public string? UnkToken => Config.Token("unk_token");

    /// <summary>All tokens with a role, by its name such as "mask_token" or "image_token": what chat templates can name.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens => Config.SpecialTokens;

    /// <summary>The id of <see cref="BosToken"/>; where the vocabulary has no such token, the one that the model's config.json
    /// names.</summary>
    public int? BosId => IdOrNull(BosToken) ?? Known(Config.ModelIds.Bos);

    /// <summary>The id of <see cref="EosToken"/>; where the vocabulary has no such token, the one that the model's config.json or
    /// generation_config.json names.</summary>
    public int? EosId => IdOrNull(EosToken) ?? Known(Config.ModelIds.Eos.Concat(Config.ModelIds.Ends).Cast<int?>().FirstOrDefault());

    /// <summary>The id of <see cref="PadToken"/>; where the vocabulary has no such token, the one that the model's config.json
    /// names.</summary>
    public int? PadId => IdOrNull(PadToken) ?? Known(Config.ModelIds.Pad);

    /// <summary>The tokens that end generated text: those that generation_config.json names, else config.json's, and
    /// <see cref="EosId"/>.</summary>
    public IReadOnlyList<int> StopIds => [.. Config.ModelIds.Ends.Concat(EosId is { } eos ? [eos] : []).Distinct()];

    /// <summary>Sentences about what the tokenizer's files contradict each other in, and which of them holds.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>The id of <see cref="UnkToken"/>.</summary>
    public int? UnkId => IdOrNull(UnkToken);

    internal TokenizerConfig Config { get; }

    /// <summary>The special tokens that are added around every text.</summary>
    internal int[] Around => _postProcessor is null ? [] : Process([new EncodingBuilder(0).Build(0)], true).Ids;

    /// <summary>Reads a tokenizer.json. It does not say which tokens begin and end a sequence: <see cref="FromDirectory"/> finds that
    /// out.</summary>
    /// <exception cref="BadInputException">The file cannot be read, or has a part that is not supported.</exception>
    public static Tokenizer FromFile(string path) => TokenizerReader.ReadFile(path, TokenizerConfig.Empty);

    /// <summary>Reads the tokenizer of a model directory: tokenizer.json, and where they are there tokenizer_config.json,
    /// special_tokens_map.json and the chat template.</summary>
    /// <param name="directory">The directory.</param>
    /// <param name="read">Returns the content of a file for its path in the directory, or null if there is no such file; null to read the
    /// files that exist. A program that replaces files in steps, or has them in another form, can give their content here.</param>
    /// <exception cref="BadInputException">A file is missing, cannot be read, or has a part that is not supported.</exception>
    public static Tokenizer FromDirectory(string directory, Func<string, byte[]?>? read = null)
    {
        var files = new TokenizerFiles(directory, read ?? (path => File.Exists(path) ? JsonField.Content(path) : null));
        if (files.Content("tokenizer.json") is { } content)
        {
            var config = TokenizerConfig.Read(files);
            return JsonField.ReadBytes(files.PathOf("tokenizer.json"), content, root => TokenizerReader.Read(root, config));
        }
        return CtcTokenizerFiles.Find(files) ?? throw new BadInputException($"{directory} has no tokenizer.json; save the model's fast " +
            "tokenizer there, or name a directory that has one.");
    }

    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text. Halves of surrogate pairs become U+FFFD.</param>
    /// <param name="addSpecialTokens">Whether the tokens that the model expects around a text are added.</param>
    public Encoding Encode(string text, bool addSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Process([EncodeSequence(text, 0)], addSpecialTokens);
    }

    /// <summary>Encodes two texts that belong together, such as a question and its context.</summary>
    public Encoding Encode(string text, string pair, bool addSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(pair);
        return Process([EncodeSequence(text, 0), EncodeSequence(pair, 1)], addSpecialTokens);
    }

    /// <summary>Encodes many texts, on all cores.</summary>
    public Encoding[] EncodeBatch(IReadOnlyList<string> texts, bool addSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(texts);
        if (texts.Contains(null!))
        {
            throw new ArgumentNullException(nameof(texts), "a text is null");
        }
        var result = new Encoding[texts.Count];
        try
        {
            Parallel.For(0, texts.Count, i => result[i] = Encode(texts[i], addSpecialTokens));
        }
        catch (AggregateException e) when (e.InnerExceptions.OfType<BadInputException>().FirstOrDefault() is { } bad)
        {
            throw new BadInputException(bad.Message, e);
        }

        return result;
    }

    /// <summary>Turns ids back into text. Ids outside the vocabulary are passed over. A special token is known by its id, so it is left out
    /// even where it is looked for in the normalized text (Hugging Face tokenizers 0.23 keeps such a one).</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="skipSpecialTokens">Whether special tokens are left out.</param>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = true)
    {
        var tokens = new List<string>(ids.Length);
        foreach (int id in ids)
        {
            if (_added.Find(id) is { } added)
            {
                if (!(skipSpecialTokens && added.Special))
                {
                    tokens.Add(_added.DecoderForm(added));
                }
            }
            else if (_model.TokenOf(id) is { } token)
            {
                tokens.Add(token);
            }
        }

        return _decoder is null ? string.Join(' ', tokens) : string.Concat(_decoder.Decode(tokens));
    }

    /// <summary>Starts to decode ids one by one as a model generates them.</summary>
    public TokenStream StartStream(bool skipSpecialTokens = true) => new(this, skipSpecialTokens);

    /// <summary>The id of a token, or null if the vocabulary lacks it.</summary>
    public int? IdOf(string token) => _added.IdOf(token) ?? _model.IdOf(token);

    /// <summary>The token of an id as the vocabulary spells it, or null for an id that has none.</summary>
    public string? TokenOf(int id) => _added.Find(id)?.Content ?? _model.TokenOf(id);

    /// <summary>Whether an id is of a token with a meaning beyond text, such as the end of a sequence.</summary>
    public bool IsSpecial(int id) => _added.Find(id)?.Special ?? false;

    private int? Known(int? id) => id is { } token && TokenOf(token) is not null ? id : null;

    private int? IdOrNull(string? token) => token is null ? null : IdOf(token);

    private Encoding Process(Encoding[] sequences, bool addSpecialTokens) =>
        Encoding.Concat(_postProcessor?.Process(sequences, addSpecialTokens) ?? sequences);

    private Encoding EncodeSequence(string text, int typeId)
    {
        var pieces = _added.Extract(CodePoints.WellFormed(text));
        pieces = _preTokenizer?.Apply(pieces) ?? pieces;
        var builder = new EncodingBuilder(text.Length / 3 + 8);
        foreach (var piece in pieces)
        {
            if (piece.Length == 0)
            {
                continue;
            }

            var origins = piece.Text.Origins.Slice(piece.Start, piece.Length);
            if (piece.IsToken)
            {
                string content = _added.Find(piece.TokenId)!.Content;
                string token = piece.Chars.SequenceEqual(content) ? content : piece.Chars.ToString();
                builder.Add(piece.TokenId, token, new TextRange(origins[0].Start, origins[^1].End));
                continue;
            }

            foreach (var (id, start, end, surface) in _model.Tokenize(piece.Chars))
            {
                // A token made of the end-of-word suffix alone covers no character of the text.
                int behind = Math.Min(piece.Shift + start, origins[^1].End);
                var offset = end > start ? new TextRange(origins[start].Start, origins[end - 1].End) : new TextRange(behind, behind);
                builder.Add(id, surface ?? _model.TokenOf(id)!, offset);
            }
        }

        return builder.Build(typeId);
    }
}
