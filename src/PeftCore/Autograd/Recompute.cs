using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>Gradient checkpointing (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"): a part of the model saves only its
/// input, and backward runs its forward pass again.</summary>
internal static class Recompute
{
    /// <summary>Runs a body and saves only its input for backward. The body must compute the same values when it runs again; counter-based
    /// dropout does.</summary>
    /// <param name="body">Computes one tensor from the input and from parameters.</param>
    /// <param name="input">The input; its gradient is propagated.</param>
    public static Tensor Run(Func<Tensor, Tensor> body, Tensor input) => Run(inputs => body(inputs[0]!), [input]);

    /// <summary>As the other overload, for a body with several inputs.</summary>
    /// <param name="body">Computes one tensor from the inputs and from parameters.</param>
    /// <param name="inputs">The inputs, whose gradients are propagated; null for an absent one.</param>
    public static Tensor Run(Func<Tensor?[], Tensor> body, params Tensor?[] inputs) => Run(body, offload: false, inputs);

    /// <summary>As the other overload; the first input may be kept in host memory until backward needs it.</summary>
    /// <param name="body">Computes one tensor from the inputs and from parameters.</param>
    /// <param name="offload">Whether to keep a copy of the first input on the host instead of the input, if the device copies beside its
    /// kernels. The caller disposes the input.</param>
    /// <param name="inputs">The inputs, whose gradients are propagated; null for an absent one.</param>
    public static Tensor Run(Func<Tensor?[], Tensor> body, bool offload, params Tensor?[] inputs)
    {
        if (!Tape.IsRecording)
        {
            return body(inputs);
        }
        Tensor output;
        Mark(inputs, 1); // Backward reads the inputs again: no op may overwrite them.
        try
        {
            using var probe = new Tape(TapeMode.Probe);
            output = body(inputs);
        }
        finally
        {
            Mark(inputs, -1);
        }
        if (output.GradFn is RequiresGradProbe)
        {
            Tape.RecordAlways(() => new Node(body, offload, inputs), inputs, [output]);
        }
        return output;
    }

    private static void Mark(Tensor?[] inputs, int count)
    {
        foreach (var input in inputs)
        {
            input?.Storage.MarkSaved(count);
        }
    }

    private sealed class Node : GradientNode
    {
        private readonly Func<Tensor?[], Tensor> _body;
        private readonly Tensor?[] _inputs;
        private readonly OffloadedCheckpoint? _first;

        public Node(Func<Tensor?[], Tensor> body, bool offload, Tensor?[] inputs) : base("recompute")
        {
            _body = body;
            _first = offload && inputs[0]!.Backend.Copies is { } copies ? OffloadedCheckpoint.Of(inputs[0]!, copies) : null;
            _inputs = [.. inputs.Select((input, i) => input is null || (i == 0 && _first is not null) ? null
                : Save("input", input, "the second forward pass of the block"))];
        }

        protected override void OnRelease() => _first?.Dispose();

        protected internal override void Backward(BackwardContext context)
        {
            using var tape = new Tape();
            var inputs = Array.ConvertAll(_inputs, input => input?.Detach());
            inputs[0] ??= _first?.Fetch().Detach();
            for (int i = 0; i < inputs.Length; i++)
            {
                if (inputs[i] is { } input && context.NeedsInputGrad(i))
                {
                    input.GradFn = new AccumulateGrad(input.Shape, MemoryKind.Activation, input.DType);
                }
            }
            var output = _body(inputs);
            tape.Backward(output, context.GradOutput());
            for (int i = 0; i < inputs.Length; i++)
            {
                if (inputs[i]?.Gradient is { } gradient)
                {
                    context.PropagateGrad(i, gradient);
                    inputs[i]!.FreeGradient();
                }
            }
        }
    }
}
