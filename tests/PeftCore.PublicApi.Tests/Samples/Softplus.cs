using PeftCore.Autograd;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.PublicApi.Tests.Samples;

/// <summary>y = ln(1 + e^(β·x))/β;  dx = dy/(1 + e^(−β·x)). Saves x.</summary>
internal sealed class Softplus(float beta) : AutogradFunction("softplus")
{
    protected override Tensor[] Forward(FunctionContext context, Tensor[] inputs)
    {
        context.Save("x", inputs[0]);
        return [(1 + (beta * inputs[0]).Exp()).Log() / beta];
    }

    protected override Tensor?[] Backward(FunctionContext context, Tensor?[] gradOutputs) =>
        [gradOutputs[0]! / (1 + (-beta * context.Saved("x")).Exp())];
}
