using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>Gradient checkpointing (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"): a stretch of the model keeps only its
/// input and is run again when backward reaches it.</summary>
public static class Recompute
{
    /// <summary>Runs a body and keeps only its inputs for backward. The body must compute the same values when run again, which counter-based
    /// dropout does.</summary>
    /// <param name="body">Computes one tensor from the inputs; may use parameters.</param>
    /// <param name="input">What flows in; its gradient flows out.</param>
    public static Tensor Run(Func<Tensor, Tensor> body, Tensor input)
    {
        Tensor output;
        bool touched;
        using (var probe = new Tape(TapeMode.Probe))
        {
            output = body(input);
            touched = probe.Touched;
        }
        output.GradientEdge = null;
        if (touched)
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

        protected internal override void Backward(GradientFlow flow)
        {
            using var tape = new Tape();
            var input = _input.Detach();
            if (flow.Wants(0))
            {
                input.TrackGradient();
            }
            var output = _body(input);
            if (output.RequiresGrad)
            {
                tape.Backward(output, flow.Output());
            }
            if (input.Gradient is { } gradient)
            {
                gradient.Storage.Rebook(MemoryKind.Activation);
                flow.Pass(0, gradient);
                input.FreeGradient();
            }
        }
    }
}
