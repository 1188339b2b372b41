namespace PeftCore.Models.Generation;

/// <summary>The error message for a model that computes NaN or infinity.</summary>
internal static class DamagedOutput
{
    public const string Sentence = "the model's output is not a number: its weights, or an adapter's, are damaged";
}
