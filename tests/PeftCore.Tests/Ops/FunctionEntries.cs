using PeftCore.Autograd;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Entries of ops written outside the library.</summary>
internal static class FunctionEntries
{
    public static IEnumerable<OpEntry> All()
    {
        yield return ElementwiseEntries.Two("product from outside", ["left: right", "right: left"],
            t => new Product().Apply(t[0], t[1]), (a, b) => a * b);
        yield return ElementwiseEntries.Two("identity from outside", [],
            t => new Identity().ApplyAll(t[0], t[1]) is [var a, var b] ? a + b : t[0],
            (a, b) => a + b);
    }

    private sealed class Product() : AutogradFunction("product")
    {
        protected override Tensor[] Forward(FunctionContext context, Tensor[] inputs)
        {
            if (context.NeedsInputGrad(1))
            {
                context.Save("left", inputs[0]);
            }
            if (context.NeedsInputGrad(0))
            {
                context.Save("right", inputs[1]);
            }
            return [inputs[0] * inputs[1]];
        }

        protected override Tensor?[] Backward(FunctionContext context, Tensor?[] gradOutputs) =>
        [
            context.NeedsInputGrad(0) ? gradOutputs[0]! * context.Saved("right") : null,
            context.NeedsInputGrad(1) ? gradOutputs[0]! * context.Saved("left") : null,
        ];
    }

    private sealed class Identity() : AutogradFunction("identity")
    {
        protected override Tensor[] Forward(FunctionContext context, Tensor[] inputs) => inputs;

        protected override Tensor?[] Backward(FunctionContext context, Tensor?[] gradOutputs) => gradOutputs;
    }
}
