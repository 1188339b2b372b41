#:project ../../src/PeftCore/PeftCore.csproj

// An op with its own backward pass, checked against finite differences, and used to train a parameter.
//
//   dotnet run -c Release docs/samples/own-op.cs
//
// docs/extending.md says what an op may save and what the rules are.

using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

const float Beta = 2;
using var backend = new CpuBackend();
using var scope = new TensorScope(); // Tensors made here are freed at its end.

// 1. The gradient against (f(x + h) − f(x − h))/2h in double precision.
float[] at = [-3, -0.5f, 0, 0.25f, 2];
var x = backend.From(at, [at.Length]).TrackGradient();
using (var tape = new Tape())
{
    var y = new Softplus(Beta).Apply(x);
    Console.WriteLine($"saved for the backward pass: {tape.SavedBytes} bytes, {at.Length} numbers");
    tape.Backward(y.Sum());
}
float[] gradient = x.Gradient!.ToFloats();
double worst = 0;
for (int i = 0; i < at.Length; i++)
{
    const double Step = 1e-5;
    double slope = (Definition(at[i] + Step) - Definition(at[i] - Step)) / (2 * Step);
    worst = Math.Max(worst, Math.Abs(slope - gradient[i]));
    Console.WriteLine($"x {at[i],5:0.00}  gradient {gradient[i]:0.000000}  difference quotient {slope:0.000000}");
}
Console.WriteLine(worst < 1e-6 ? $"the gradient is right: it differs by at most {worst:0.0e+00}" : "the gradient is wrong");
x.UntrackGradient();

// 2. Gradient descent through the op: the w for which softplus(w) is 1.5.
float w = 0;
for (int step = 0; step < 60; step++)
{
    using var inner = new TensorScope();
    using var tape = new Tape();
    var parameter = backend.From([w], [1]).TrackGradient();
    var error = new Softplus(Beta).Apply(parameter) - 1.5f;
    tape.Backward((error * error).Sum());
    w -= 0.3f * parameter.Gradient!.ToFloats()[0];
    parameter.UntrackGradient();
}
Console.WriteLine($"softplus({w:0.0000}) = {Definition(w):0.0000}, wanted 1.5000");

static double Definition(double x) => Math.Log(1 + Math.Exp(Beta * x)) / Beta;

/// <summary>y = ln(1 + e^(β·x))/β;  dx = dy/(1 + e^(−β·x)). Saves x, and not the exponentials that autograd would save.</summary>
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
