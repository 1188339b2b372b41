using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Tokenizers;

namespace PeftCore.Cli.Session;

/// <summary>Generates text from text with the model's tokenizer and stop tokens.</summary>
/// <param name="session">The model.</param>
/// <param name="task">The task index, for adapters with several tasks.</param>
internal sealed class TextGeneration(ModelSession session, int task = 0)
{
    private readonly Tokenizer _tokenizer = session.Tokenizer;

    /// <summary>Tokens of the last prompt.</summary>
    public int PromptTokens { get; private set; }

    /// <summary>Continues a prompt.</summary>
    /// <param name="prompt">The text to continue.</param>
    /// <param name="options">Sampling options; stop tokens are the model's.</param>
    /// <param name="show">Called after each token with the new piece of text, which may be empty; in beam search at the end.</param>
    /// <param name="stop">Stops the generation.</param>
    /// <param name="isRendered">Whether the prompt is the output of a chat template, which contains its special tokens.</param>
    public GenerationResult Continue(string prompt, GenerationOptions options, Action<string>? show = null,
        CancellationToken stop = default, bool isRendered = false)
    {
        int[] ids = Prompt(prompt, isRendered);
        PromptTokens = ids.Length;
        return session.Model.WithTasks([task], () => new Generator(session.Model.Base, session.Backend).Generate(ids,
            options with { StopTokens = [.. options.StopTokens, .. _tokenizer.StopIds] }, tokens => _tokenizer.Decode([.. tokens]),
            (_, text) => show?.Invoke(text), cancel: stop));
    }

    /// <summary>The prompt's tokens. A decoder's have no end token, which some tokenizers append to every text; an encoder's end with
    /// it.</summary>
    private int[] Prompt(string prompt, bool isRendered)
    {
        int[] ids = [.. _tokenizer.Encode(prompt, addSpecialTokens: !isRendered).Ids];
        bool continues = session.Model.Base.Task != ModelTask.Seq2SeqLm;
        return continues && ids.Length > 1 && ids[^1] == _tokenizer.EosId && !isRendered ? ids[..^1] : ids;
    }
}
