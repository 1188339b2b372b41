using PeftCore.Backends;
using PeftCore.Data;
using PeftCore.Models;
using PeftCore.Optim;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;
using PeftCore.Tests.Models.Encoders;
using PeftCore.Tests.Models.Vision;
using PeftCore.Training;

namespace PeftCore.Tests.Training;

/// <summary>Passes of tasks other than language modelling run as captured graphs with the bits of eager ones.</summary>
public sealed class CapturedTaskTests
{
    private const int Steps = 7;
    private const int Length = 6;

    [TestCase("bert", ModelTask.SequenceClassification)]
    [TestCase("roberta", ModelTask.SequenceClassification)]
    [TestCase("deberta-v2", ModelTask.SequenceClassification)]
    [TestCase("modernbert", ModelTask.SequenceClassification)]
    [TestCase("albert", ModelTask.TokenClassification)]
    [TestCase("distilbert", ModelTask.QuestionAnswering)]
    [TestCase("electra", ModelTask.FeatureExtraction)]
    [TestCase("vit", ModelTask.ImageClassification)]
    [TestCase("dinov2", ModelTask.ImageClassification)]
    [TestCase("clip", ModelTask.Contrastive)]
    [TestCase("layoutlm", ModelTask.TokenClassification)]
    [TestCase("layoutlmv3", ModelTask.TokenClassification)]
    public void A_step_of_a_task_is_launched_as_a_graph(string type, ModelTask task)
    {
        var (values, launches) = Train(new CpuBackend(1), type, task);
        var (expected, none) = Train(new CpuBackend(1, captureGraphs: false), type, task);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(values, Is.EqualTo(expected));
            Assert.That(none, Is.Zero);
            Assert.That(launches, Is.EqualTo(Steps - 2)); // The first step runs eagerly, the second is captured.
        }
    }

    private static (List<double> Values, int Launches) Train(CpuBackend cpu, string type, ModelTask task)
    {
        using var owner = cpu;
        using var scope = new TensorScope();
        bool classes = task is ModelTask.SequenceClassification or ModelTask.TokenClassification;
        bool pictures = type is "vit" or "dinov2" or "clip" or "layoutlm" or "layoutlmv3";
        var model = new PeftModel(pictures ? TinyPictures.Model(cpu, type)
            : TinyEncoders.Model(cpu, type, classes ? TinyEncoders.Task(task) : new TaskOptions { Task = task }, scale: 2));
        model.AddAdapter(new LoraConfig { Rank = 2, Alpha = 4, Dropout = 0.1 }, seed: 5);
        ITrainable trainable = new TrainableAdapter(model);
        using var optimizer = new AdamW(trainable.Parameters);
        using var step = CapturedStep.Wrap(new TrainingStep(trainable, optimizer, 1));
        var values = new List<double>();
        for (int i = 0; i < Steps; i++)
        {
            var result = step.Run([pictures ? DrawnPictures(type, i) : BatchOf(task, i)], 1e-2, i, (ulong)i);
            values.AddRange([result.Loss, result.GradientNorm]);
        }
        values.AddRange(model.Parameters.SelectMany(p => p.Parameter.Value.ToArray<float>()).Select(value => (double)value));
        return (values, (step as CapturedStep)?.GraphLaunches ?? 0);
    }

    private static Batch DrawnPictures(string type, int step) => new Collator(padId: 1).Collate([.. Enumerable.Range(0, 3)
        .Select(row => TinyPictures.Sample(type, 3 * step + row, row == 1 ? Length - 2 : Length))]);

    // The second row is shorter and padded; types and targets differ from step to step.
    private static Batch BatchOf(ModelTask task, int step)
    {
        var batch = new Collator(0).Collate([.. Enumerable.Range(0, task == ModelTask.FeatureExtraction ? 4 : 2).Select(row =>
        {
            int length = row == 1 ? Length - 2 : Length;
            int[] ids = [.. Enumerable.Range(0, length).Select(t => 2 + (31 * step + 7 * row + 5 * t) % 37)];
            return new Example(ids, [.. ids.Select((id, t) => task == ModelTask.TokenClassification ? id % 3 : Example.Masked)])
            {
                ClassLabel = task == ModelTask.SequenceClassification ? (step + row) % 3 : -1,
                LabelsInPlace = true,
                TypeIds = [.. ids.Select((_, t) => t > step % length ? 1 : 0)],
                Span = task == ModelTask.QuestionAnswering ? (step % length, length - 1) : null,
            };
        })]);
        batch.Parts = task == ModelTask.FeatureExtraction ? 2 : 1;
        return batch;
    }
}
