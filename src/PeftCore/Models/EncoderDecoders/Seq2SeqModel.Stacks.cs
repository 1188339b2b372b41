using PeftCore.Tensors;

namespace PeftCore.Models;

// The passes of the encoder and the decoder, and the parts of them that each family implements.
internal abstract partial class Seq2SeqModel
{
    /// <summary>The encoder's hidden states after its last norm, (B, T, C), or (B, P + T, C) with P virtual tokens before each source text,
    /// and the inputs they belong to.</summary>
    internal (Tensor States, ModelInputs Inputs) Encode(ModelInputs inputs)
    {
        using var pass = BeginPass();
        using var scope = new TensorScope("encoder");
        var x = EmbedInputs(inputs);
        if (VirtualTokens is { } before)
        {
            (x, inputs) = before.PrependTokens(x, inputs);
        }
        CheckLength(inputs, "source", MaxSourceLength);
        x = EmbedSource(x, inputs);
        var bias = EncoderBias(inputs);
        for (int i = 0; i < LayerCount; i++)
        {
            int layer = i;
            x = RunBlock(i, inputs, given => EncoderBlock(layer, given[0]!, given[1], inputs), x, bias);
        }
        return (scope.Return(FinishEncoder(x)), inputs);
    }

    /// <summary>The decoder's hidden states after its last norm, (B, T', C).</summary>
    /// <param name="inputs">The target text so far, with <see cref="ModelInputs.CrossRanges"/>.</param>
    /// <param name="states">The encoder's hidden states; null if the cross-attention's keys are cached.</param>
    internal Tensor Decode(ModelInputs inputs, Tensor? states)
    {
        using var pass = BeginPass();
        using var scope = new TensorScope("decoder");
        if (VirtualTokens is { } before && inputs.Cache is not { Length: > 0 })
        {
            inputs = before.PrependPrefix(inputs);
        }
        CheckLength(inputs, "target", MaxLength);
        var x = EmbedTarget(EmbedTokens(inputs.Ids), inputs);
        var bias = DecoderBias(inputs);
        for (int i = 0; i < DecoderLayerCount; i++)
        {
            int layer = i;
            x = RunBlock(LayerCount + i, inputs, given => DecoderBlock(layer, given[0]!, given[1], given[2], inputs), x, states, bias);
        }
        inputs.Cache?.Advance(inputs.Length + (inputs.Prefix?.Length ?? 0));
        return scope.Return(FinishDecoder(x));
    }

    /// <summary>Finishes the embedding of the source: positions, norm, dropout.</summary>
    private protected abstract Tensor EmbedSource(Tensor embedded, ModelInputs inputs);

    /// <summary>Finishes the embedding of the target.</summary>
    private protected abstract Tensor EmbedTarget(Tensor embedded, ModelInputs inputs);

    /// <summary>The bias of the encoder's attention scores that all its blocks share; null for none.</summary>
    private protected virtual Tensor? EncoderBias(ModelInputs inputs) => null;

    /// <summary>The bias of the decoder's self-attention scores that all its blocks share; null for none.</summary>
    private protected virtual Tensor? DecoderBias(ModelInputs inputs) => null;

    /// <summary>Runs one block of the encoder.</summary>
    private protected abstract Tensor EncoderBlock(int index, Tensor x, Tensor? bias, ModelInputs inputs);

    /// <summary>Runs one block of the decoder.</summary>
    private protected abstract Tensor DecoderBlock(int index, Tensor x, Tensor? states, Tensor? bias, ModelInputs inputs);

    /// <summary>The attention to the encoder of a decoder's block.</summary>
    internal abstract StackAttention CrossAttentionOf(int block);

    /// <summary>Last norm and dropout of the encoder.</summary>
    private protected abstract Tensor FinishEncoder(Tensor x);

    /// <summary>Last norm and dropout of the decoder.</summary>
    private protected abstract Tensor FinishDecoder(Tensor x);

    private static void CheckLength(ModelInputs inputs, string side, int most)
    {
        if (inputs.Longest > most)
        {
            throw new BadInputException($"a {side} text of {inputs.Longest} tokens is longer than the {most} this model allows; " +
                $"shorten it or lower the maximum {side} length");
        }
    }
}
