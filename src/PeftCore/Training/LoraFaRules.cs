using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;

namespace PeftCore.Training;

/// <summary>The adapters that <see cref="LoraFa"/> trains: plain LoRA, with factors A (r, in) and B (out, r) on every layer.</summary>
internal static class LoraFaRules
{
    /// <summary>The factors of each layer.</summary>
    /// <exception cref="BadInputException">A layer's update is no product of two such factors alone, or its scale is 0.</exception>
    public static IReadOnlyList<FactorPair> PairsOf(Adapter adapter) => adapter.Config is LoraConfig && adapter.Layers.Count > 0
        ? [.. adapter.Layers.Select(layer => PairOf(layer.Path, layer.Layer))]
        : throw Refusal($"{adapter.Config.PeftType} has no such factors");

    public static BadInputException Refusal(string reason) => new("optim lora_fa freezes LoRA's factors A and trains B on linear layers, "
        + $"but {reason}; choose LoRA on linear layers, or another optimizer");

    private static FactorPair PairOf(string path, LayerAdapter layer) => layer switch
    {
        LoraEmbeddingLayer => throw Refusal($"\"{path}\" is an embedding, whose A starts as 0, so that nothing would be learned"),
        LoraExpertLayer => throw Refusal($"\"{path}\" is a matrix of experts, whose A holds the factors of all of them"),
        LoraLayer { UsesDora: true } => throw Refusal($"\"{path}\" has DoRA's magnitudes too"),
        LoraLayer { BiasOfB: not null } => throw Refusal($"the B of \"{path}\" has a bias (lora_bias)"),
        LoraLayer lora when lora.A.Shape.Rank != 2 => throw Refusal($"\"{path}\" is a convolution"),
        LoraLayer { Scale: 0 } => throw Refusal($"\"{path}\" has lora_alpha 0, by which the gradient would be divided"),
        LoraLayer lora => new FactorPair(lora.A, lora.B, lora.Scale),
        _ => throw Refusal($"\"{path}\" has no such factors"),
    };
}
