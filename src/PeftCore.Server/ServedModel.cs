using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Models.Generation;
using PeftCore.Peft;
using PeftCore.Tokenizers;

namespace PeftCore.Server;

/// <summary>The model that is served.</summary>
/// <param name="Name">Its name in requests, without an adapter.</param>
/// <param name="Directory">Its directory.</param>
/// <param name="Model">The model; the server attaches adapters to it.</param>
/// <param name="Backend">Its device.</param>
/// <param name="Tokenizer">Its tokenizer.</param>
public sealed record ServedModel(string Name, string Directory, PeftModel Model, Backend Backend, Tokenizer Tokenizer)
{
    /// <summary>What the model's own files set for generation.</summary>
    public GenerationOptions Defaults { get; init; } = new();

    /// <summary>The chat template; null if there is none.</summary>
    public ChatTemplate? Template { get; init; }

    /// <summary>Whether it writes text.</summary>
    public bool WritesText => Model.Base.Task is ModelTask.CausalLm or ModelTask.Seq2SeqLm;

    /// <summary>Whether a prompt is continued, and not read by an encoder.</summary>
    public bool Continues => Model.Base.Task != ModelTask.Seq2SeqLm;
}
