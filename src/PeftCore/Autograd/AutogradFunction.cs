using PeftCore.Tensors;

namespace PeftCore.Autograd;

/// <summary>An op with its own backward pass, written outside this library (PyTorch's <c>torch.autograd.Function</c>). Derive a class,
/// compute in <see cref="Forward"/> with tensor operations, save the tensors that the gradients use, and return the gradients from
/// <see cref="Backward"/>. Neither pass is recorded itself. Constants of the op are fields of the class. An op is recorded only if an input
/// needs a gradient; its saved tensors are freed as soon as its backward pass has run.</summary>
/// <param name="name">Name of the op in reports and errors.</param>
public abstract class AutogradFunction(string name)
{
    /// <summary>Runs an op with one output.</summary>
    /// <param name="inputs">The inputs, which may require gradients.</param>
    public Tensor Apply(params ReadOnlySpan<Tensor> inputs) => ApplyAll(inputs) is [var output] ? output
        : throw new InvalidOperationException($"{name} has not one output: call {nameof(ApplyAll)}");

    /// <summary>Runs an op with any number of outputs.</summary>
    /// <param name="inputs">The inputs, which may require gradients.</param>
    public Tensor[] ApplyAll(params ReadOnlySpan<Tensor> inputs)
    {
        Given.NotNull(inputs);
        using var scope = new TensorScope();
        var given = inputs.ToArray();
        var context = new FunctionContext(given);
        // An input that is returned unchanged needs a separate handle, because its gradient passes through this op.
        var outputs = Tape.NoGrad(() => Array.ConvertAll(Forward(context, given) ?? throw Nothing("forward"),
            output => Array.IndexOf(given, output ?? throw Nothing("forward")) < 0 ? output : output.Detach()));
        Tape.Record(() => new Node(name, this, context, given), given, outputs);
        return Array.ConvertAll(outputs, scope.Return);
    }

    private InvalidOperationException Nothing(string pass) =>
        new($"{name}: {pass} returned null; it returns an array of tensors, one for each {(pass == "forward" ? "output" : "input")}");

    /// <summary>Computes the outputs, and saves the tensors that the gradients use.</summary>
    /// <param name="context">Tells which inputs need a gradient, and saves tensors for <see cref="Backward"/>.</param>
    /// <param name="inputs">The arguments of <see cref="Apply"/>.</param>
    protected abstract Tensor[] Forward(FunctionContext context, Tensor[] inputs);

    /// <summary>Computes the gradients of the inputs.</summary>
    /// <param name="context">Tells which inputs need a gradient, and returns the saved tensors.</param>
    /// <param name="gradOutputs">The gradient of each output; null if an output has none, which is possible only with several
    /// outputs.</param>
    /// <returns>One gradient of the input's shape and dtype for each input, or null if the input needs none or the gradient is
    /// zero.</returns>
    protected abstract Tensor?[] Backward(FunctionContext context, Tensor?[] gradOutputs);

    private sealed class Node : GradientNode
    {
        private readonly AutogradFunction _function;
        private readonly FunctionContext _context;
        private readonly DType[] _dtypes;

        public Node(string name, AutogradFunction function, FunctionContext context, Tensor[] inputs) : base(name)
        {
            (_function, _context, _dtypes) = (function, context, Array.ConvertAll(inputs, input => input.DType));
            context.KeepIn((name, tensor) => Save(name, tensor, "the backward pass of the function"));
        }

        protected internal override void Backward(BackwardContext context)
        {
            var gradOutputs = new Tensor?[Outputs.Length];
            for (int i = 0; i < gradOutputs.Length; i++)
            {
                gradOutputs[i] = context.HasGradOutput(i) ? context.GradOutput(i) : null;
            }
            var gradients = _function.Backward(_context, gradOutputs) ?? throw _function.Nothing("backward");
            if (gradients.Length != _dtypes.Length)
            {
                throw new InvalidOperationException($"{Op}: backward returned {gradients.Length} gradients for {_dtypes.Length} inputs");
            }
            for (int i = 0; i < gradients.Length; i++)
            {
                if (gradients[i] is not { } gradient || !context.NeedsInputGrad(i))
                {
                    continue;
                }
                if (gradient.Shape != context.ShapeOf(i) || gradient.DType != _dtypes[i])
                {
                    throw new ShapeException(Op, $"the gradient of input {i} must be {_dtypes[i]}{context.ShapeOf(i)}, got {gradient}");
                }
                context.PropagateGrad(i, gradient);
            }
        }
    }
}
