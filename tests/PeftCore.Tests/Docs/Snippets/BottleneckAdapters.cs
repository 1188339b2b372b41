using PeftCore.Peft;
using PeftCore.Peft.Bottlenecks;

namespace PeftCore.Tests.Docs.Snippets;

internal static class BottleneckAdapters
{
    public static void Run(PeftModel model, string outputDirectory)
    {
        model.AddAdapter(BottleneckConfig.DoubleSeqBn with { ReductionFactor = 8 }, "houlsby");
        model.AddAdapter(BottleneckConfig.SeqBn, "pfeiffer");
        model.AddAdapter(BottleneckConfig.ParBn with { ReductionFactor = 4, Scaling = BottleneckScaling.Learned }, "parallel");
        model.SetActive("houlsby", "parallel");
        Console.WriteLine(model.TrainableSummary);
        model.Save(outputDirectory);
    }
}
