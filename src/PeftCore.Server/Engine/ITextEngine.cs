using PeftCore.Models.Generation;

namespace PeftCore.Server.Engine;

/// <summary>One text to generate.</summary>
/// <param name="Prompt">The tokens of the prompt.</param>
/// <param name="Options">How tokens are chosen and the text ends.</param>
/// <param name="Adapter">The attached adapter to use, or <see cref="Peft.PeftModel.NoAdapter"/>.</param>
/// <param name="SharesSteps">Whether other texts may be generated in the same steps.</param>
/// <param name="OnToken">Called with the new text of each token, which may be empty, on the thread that generates.</param>
internal sealed record TextJob(int[] Prompt, GenerationOptions Options, string Adapter, bool SharesSteps,
    Action<string> OnToken);

/// <summary>Generates texts. Each is the one that its request would get alone.</summary>
internal interface ITextEngine : IDisposable
{
    /// <summary>Generates a text, at once or when others have ended.</summary>
    /// <exception cref="BadInputException">The prompt does not fit the model, or an option is out of range.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    Task<GenerationResult> Generate(TextJob job, CancellationToken cancel);
}
