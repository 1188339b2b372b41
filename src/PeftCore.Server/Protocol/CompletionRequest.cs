using PeftCore.Server.Http;

namespace PeftCore.Server.Protocol;

/// <summary>A request of /v1/completions.</summary>
internal sealed class CompletionRequest : GenerationRequest
{
    private const int UsualMaxTokens = 16;

    /// <summary>All fields of the request.</summary>
    public static FieldTable<CompletionRequest> Fields { get; } = Rows<CompletionRequest>()
        .Add("prompt", (r, f) => r.Prompts = PromptText.ListOf(f))
        .Add("echo", (r, f) => r.Echo = f.Flag())
        .Add("best_of", (r, f) => r.BestOf = (int)f.Whole(1, int.MaxValue))
        .Refuse("suffix", f => f.Text().Length == 0, "text is generated at the end only")
        .Refuse("log-probabilities are not computed", "logprobs");

    /// <summary>The prompts.</summary>
    public IReadOnlyList<PromptText> Prompts { get; private set; } = [];

    /// <summary>Whether an answer begins with its prompt.</summary>
    public bool Echo { get; private set; }

    /// <summary>The most new tokens of a text.</summary>
    public int NewTokens => MaxTokens ?? UsualMaxTokens;

    private int? BestOf { get; set; }

    public override void Check()
    {
        base.Check();
        if (Prompts.Count == 0)
        {
            throw ApiException.Bad("prompt", "prompt is missing or empty", "missing_required_parameter");
        }
        if (BestOf is { } best && best != Choices)
        {
            throw ApiException.Bad("best_of", $"best_of is {best} and n {Choices}: texts are not ranked, so all that are generated are " +
                "returned; leave best_of out", "unsupported_parameter");
        }
    }
}
