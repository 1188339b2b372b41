using Microsoft.Extensions.AI;
using PeftCore.Models.Generation;

namespace PeftCore.Extensions.AI.Chat;

/// <summary>A checked request: what the model reads, how it writes, and how tool calls are found in the answer.</summary>
/// <param name="Prompt">The tokens of the conversation, up to the beginning of the answer.</param>
/// <param name="Generation">Sampling and stopping.</param>
/// <param name="Tools">The tools that the template was given; none if there are none.</param>
/// <param name="Format">How the model writes calls; null if it has no tools, or in a form that is not known.</param>
internal sealed record ChatRequest(int[] Prompt, GenerationOptions Generation, IReadOnlyList<AIFunctionDeclaration> Tools,
    ToolCallFormat? Format);
