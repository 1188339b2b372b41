using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>Gradient checkpointing (Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost"): a stretch of the model keeps only
/// its input and is run again when backward reaches it.</summary>
public static class Recompute
{
    /// <summary>Runs a body and keeps only its inputs for backward. The body must compute the same values when run again, which
    /// counter-based dropout does.</summary>
    /// <param name="body">Computes one tensor from the inputs; may use parameters.</param>
    /// <param name="input">What flows in; its gradient flows out.</param>
    public static Tensor Run(Func<Tensor, Tensor> body, Tensor input)
    {
        if (!Tape.IsRecording)
        {
            return body(input);
        }
        Tensor output;
        input.Storage.MarkSaved(1); // The body will read its input again: no op in it may overwrite it.
        try
        {
            using var probe = new Tape(TapeMode.Probe);
            output = body(input);
        }
        finally
        {
            input.Storage.MarkSaved(-1);
        }
        if (GradientEdge.Of(output) is RequiresGradProbe)
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

        protected internal override void Backward(BackwardContext flow)
        {
            using var tape = new Tape();
            var input = _input.Detach();
            if (flow.NeedsInputGrad(0))
            {
                input.GradientEdge = new AccumulateGrad(input.Shape, MemoryKind.Activation, input.DType);
            }
            var output = _body(input);
            tape.Backward(output, flow.GradOutput());
            if (input.Gradient is { } gradient)
            {
                flow.PropagateGrad(0, gradient);
                input.FreeGradient();
            }
        }
    }
}
