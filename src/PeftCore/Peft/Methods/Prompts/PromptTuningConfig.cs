using System.Text.Json;

namespace PeftCore.Peft.Prompts;

/// <summary>Initialisation of virtual tokens.</summary>
public enum PromptInit
{
    /// <summary>Standard normal numbers.</summary>
    Random,

    /// <summary>Embeddings of the tokens of a text, repeated or cut to the number of virtual tokens.</summary>
    Text,

    /// <summary>Embeddings of random tokens of the vocabulary.</summary>
    SampleVocab,
}

/// <summary>Hyperparameters of prompt tuning (Lester et al. 2021): virtual tokens before every sequence, whose embeddings are trained
/// directly.</summary>
public sealed record PromptTuningConfig : PromptLearningConfig
{
    /// <summary>The fields of adapter_config.json.</summary>
    internal static ConfigFields<PromptTuningConfig> Fields { get; } = new ConfigFields<PromptTuningConfig>(new())
        .Prompts()
        .Start("prompt_tuning_init", c => c.Init, (c, v) => c with { Init = v },
            "Initialisation: standard normal numbers, embeddings of a text, or embeddings of tokens drawn from the vocabulary.",
            ("RANDOM", PromptInit.Random), ("TEXT", PromptInit.Text), ("SAMPLE_VOCAB", PromptInit.SampleVocab))
        .InitialText(c => c.InitText, (c, v) => c with { InitText = v }, c => c.Tokenizer, (c, v) => c with { Tokenizer = v },
            c => c.TokenizerArguments, (c, v) => c with { TokenizerArguments = v });

    /// <summary>How the virtual tokens start.</summary>
    public PromptInit Init { get; init; }

    /// <summary>The text whose token embeddings initialise the virtual tokens.</summary>
    public string? InitText { get; init; }

    /// <summary>The directory of the tokenizer for that text.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Arguments for Hugging Face's tokenizer loader; not used, but preserved in the file.</summary>
    internal JsonElement? TokenizerArguments { get; init; }

    internal override PromptEncoder NewEncoder(AttachContext context)
    {
        var tokens = context.NewParameter([TokenRows, TokenDim!.Value]);
        PromptInitializer.Fill(context, tokens, Init, InitText, Tokenizer);
        return new EmbeddingPrompt(tokens, NumVirtualTokens);
    }
}
