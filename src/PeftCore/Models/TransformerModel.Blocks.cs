using PeftCore.Autograd;
using PeftCore.Tensors;

namespace PeftCore.Models;

// How blocks run: recomputed in backward or not, and with weights and checkpoints off the device.
public abstract partial class TransformerModel
{
    /// <summary>Whether backward recomputes each block from its input, which is all it saves.</summary>
    public bool GradientCheckpointing { get; set; }

    /// <summary>Whether the inputs of recomputed blocks are kept in host memory between forward and backward; without effect unless
    /// <see cref="GradientCheckpointing"/> is set, and on devices that compute in host memory.</summary>
    public bool OffloadCheckpoints { get; set; }

    /// <summary>Whether every block runs in <see cref="RunBlock"/>, so that its matrices may be kept off the device.</summary>
    internal virtual bool StreamsBlocks => true;

    /// <summary>Whether the inputs of recomputed blocks are kept on the host. Such a pass is not captured: its host memory is that of the
    /// pass.</summary>
    internal bool KeepsCheckpointsOnHost => GradientCheckpointing && OffloadCheckpoints && Backend.Copies is not null;

    /// <summary>Whether backward recomputes the blocks.</summary>
    private protected bool Recomputes(ModelInputs inputs) => GradientCheckpointing && inputs.Cache is null;

    /// <summary>Whether blocks run as they are: neither recomputed nor streamed.</summary>
    private protected bool RunsBlocksDirectly(ModelInputs inputs) => Streamer is null && !Recomputes(inputs);

    /// <summary>Runs a block: with its matrices on the device, and recomputed in backward if the model is.</summary>
    /// <param name="block">The block's index in the model: see <see cref="ResidualsOf"/>.</param>
    /// <param name="inputs">The inputs of the pass.</param>
    /// <param name="body">Computes the block's output from <paramref name="tensors"/>.</param>
    /// <param name="tensors">The hidden states, and what else the block reads that may need a gradient; null for an absent one.</param>
    private protected Tensor RunBlock(int block, ModelInputs inputs, Func<Tensor?[], Tensor> body, params Tensor?[] tensors)
    {
        var x = tensors[0]!;
        if (Streamer is { } streamer)
        {
            tensors[0] = streamer.Enter(block, x);
        }
        bool recomputes = Recomputes(inputs), offloads = recomputes && KeepsCheckpointsOnHost;
        var y = recomputes ? Recompute.Run(body, offloads, tensors) : body(tensors);
        if (offloads && Tape.Needs(y))
        {
            tensors[0]!.Dispose();
            x.Dispose(); // Its copy on the host is what backward reads.
        }
        var output = Streamer?.Exit(block, y) ?? y;
        if (offloads && output != y)
        {
            y.Dispose();
        }
        return output;
    }

    /// <summary>The attention probabilities of one block of a decoder over a text, to look at: a forward pass with the active adapters
    /// computes them, which no pass keeps otherwise.</summary>
    /// <param name="ids">The tokens, at least one.</param>
    /// <param name="block">Number of the block, from 0.</param>
    /// <returns>(heads, queries, keys), row-major; the sum over the keys is 1. The keys of a prefix come before those of the tokens,
    /// virtual tokens before the tokens in both.</returns>
    /// <exception cref="BadInputException">There is no such block, it attends to no tokens, or the model is no decoder of
    /// tokens.</exception>
    public (float[] Probabilities, Shape Shape) AttentionOf(ReadOnlySpan<int> ids, int block) => block >= 0 && block < LayerCount
        ? AttentionProbe.Run(this, ids, block)
        : throw new BadInputException($"block is {block}, expected a number from 0 to {LayerCount - 1}");
}
