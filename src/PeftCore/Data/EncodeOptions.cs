using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tokenizers;

namespace PeftCore.Data;

/// <summary>Options of an <see cref="ExampleEncoder"/>.</summary>
public sealed record EncodeOptions
{
    /// <summary>Maximum tokens of a sample.</summary>
    public required int MaxSeqLength { get; init; }

    /// <summary>Whether only completions, answers and the assistant's turns are learned; otherwise every token is.</summary>
    public bool MaskPrompt { get; init; } = true;

    /// <summary>Whether texts and completions end with the end-of-text token, so that the model learns to stop.</summary>
    internal bool AppendEos { get; init; } = true;

    /// <summary>The task of the model, which decides what a sample is.</summary>
    public ModelTask Task { get; init; }

    /// <summary>The classes or tags of the model's head, in the order of their indices; null for a task without them.</summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>What a model that classifies texts learns, its <see cref="TransformerModel.ProblemType"/>; null to tell from the
    /// rows.</summary>
    public string? ProblemType { get; init; }

    /// <summary>The end-of-text token; null for the tokenizer's. A model's config.json may name another.</summary>
    internal int? EosId { get; init; }

    /// <summary>The chat template; null for the tokenizer's own.</summary>
    public ChatTemplate? ChatTemplate { get; init; }

    /// <summary>Maximum tokens of a target of an encoder-decoder; null for <see cref="MaxSeqLength"/>.</summary>
    public int? MaxTargetLength { get; init; }

    /// <summary>Reads the recordings of rows, for models of speech; null for other models.</summary>
    public SoundReader? Sound { get; init; }

    /// <summary>Reads the pictures of rows, for models of pictures and of pages; null for other models.</summary>
    public PictureReader? Pictures { get; init; }

    /// <summary>The language and the task of transcripts, for models that write them after tokens which say so; null for the
    /// defaults.</summary>
    public SpeechOptions? Speech { get; init; }

    /// <summary>Whether files that cannot be read are counted and left out; otherwise the first is an error.</summary>
    public bool SkipBadFiles { get; init; }

    /// <summary>Tokens of a context that two windows share, in question answering; null for 128, or half a window if that is
    /// less.</summary>
    internal int? Stride { get; init; }

    /// <summary>Whether every token of a word has its tag; otherwise only the first has.</summary>
    internal bool LabelAllTokens { get; init; }

    internal void Check()
    {
        if (MaxSeqLength < 2)
        {
            throw new BadInputException(
                $"max_seq_length is {MaxSeqLength}, expected at least 2: the second token is the first that can be learned.");
        }
    }
}
