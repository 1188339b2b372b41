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
    public static Tensor Run(Func<Tensor, Tensor> body, Tensor input)
    {
        if (!Tape.IsRecording)
        {
            return body(input);
        }
        Tensor output;
        input.Storage.MarkSaved(1); // Backward reads the input again: no op may overwrite it.
        try
        {
            using var probe = new Tape(TapeMode.Probe);
            output = body(input);
        }
        finally
        {
            input.Storage.MarkSaved(-1);
        }
        if (output.GradFn is RequiresGradProbe)
        {
            Tape.RecordAlways(() => new Node(body, input), [input], [output]);
        }
        return output;
    }

    private sealed class Node : GradientNode
    {
        private readonly Func<Tensor, Tensor> _body;
        private readonly Tensor _input;

        public Node(Func<Tensor, Tensor> body, Tensor input) : base("recompute")
        {
            _body = body;
            _input = Save("input", input);
        }

        protected internal override void Backward(BackwardContext context)
        {
            using var tape = new Tape();
            var input = _input.Detach();
            if (context.NeedsInputGrad(0))
            {
                input.GradFn = new AccumulateGrad(input.Shape, MemoryKind.Activation, input.DType);
            }
            var output = _body(input);
            tape.Backward(output, context.GradOutput());
            if (input.Gradient is { } gradient)
            {
                context.PropagateGrad(0, gradient);
                input.FreeGradient();
            }
        }
    }
}
