using PeftCore.Data;
using PeftCore.Peft;
using PeftCore.Training;

namespace PeftCore.Tests.Docs.Snippets;

internal static class TracedStep
{
    public static StepTrace Run(PeftModel model, Batch batch)
    {
        using var step = new AdapterStep(model, new TrainerOptions());
        var trace = step.Trace([batch], learningRate: 1e-3, saved: (op, saved, tensor) =>
            Console.WriteLine($"{op.Name} in {op.Module}: {saved.Name} {tensor.Shape}, {saved.Bytes} bytes, {saved.Reason}"));
        Console.WriteLine($"loss {trace.Result.Loss:0.000}, peak {trace.Timeline.Max(moment => moment.Highest.Values.Sum())} bytes");
        return trace;
    }
}
