namespace PeftCore.Models.Generation;

/// <summary>What is said where a model computes NaN or infinity.</summary>
internal static class DamagedOutput
{
    public const string Sentence = "the model's output is not a number: its weights, or an adapter's, are damaged";
}
