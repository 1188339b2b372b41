namespace PeftCore.Tokenizers;

/// <summary>What a model directory says about its tokenizer besides tokenizer.json.</summary>
internal sealed record TokenizerConfig
{
    public static TokenizerConfig Empty { get; } = new();

    /// <summary>The directory, or null for a tokenizer.json by itself.</summary>
    public string? Directory { get; init; }

    /// <summary>Tokens by their roles, "bos_token" and so on: what transformers calls special_tokens_map.</summary>
    public IReadOnlyDictionary<string, string> SpecialTokens { get; init; } = new Dictionary<string, string>();

    /// <summary>The chat templates by name; one without a name is "default".</summary>
    public IReadOnlyDictionary<string, string> ChatTemplates { get; init; } = new Dictionary<string, string>();

    /// <summary>What config.json and generation_config.json say.</summary>
    public ModelTokenIds ModelIds { get; init; } = ModelTokenIds.None;

    /// <summary>Whether tokenizer_config.json wants a begin token before every text; null if it does not say.</summary>
    public bool? AddBos { get; init; }

    /// <summary>Whether tokenizer_config.json wants an end token after every text; null if it does not say.</summary>
    public bool? AddEos { get; init; }

    /// <summary>The added tokens that tokenizer_config.json lists beside those of tokenizer.json.</summary>
    public IReadOnlyDictionary<int, string> AddedTokens { get; init; } = new Dictionary<int, string>();

    /// <summary>Tokens that are special without a role.</summary>
    public IReadOnlyList<string> ExtraTokens { get; init; } = [];

    /// <summary>Sentences about what the files contradict each other in.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    public string? Token(string role) => SpecialTokens.GetValueOrDefault(role);

    public static TokenizerConfig Read(TokenizerFiles files)
    {
        var warnings = new List<string>();
        var tokens = SpecialTokenFiles.Read(files, warnings);
        return tokens with
        {
            Directory = files.Directory,
            ChatTemplates = ChatTemplateFiles.Read(files, warnings),
            ModelIds = ModelTokenIds.Read(files),
            Warnings = warnings,
        };
    }
}
