using PeftCore.Ilgpu;
using PeftCore.Models;
using PeftCore.Peft;
using PeftCore.Peft.Lora;
using PeftCore.Tensors;

namespace PeftCore.Snippets; // Outside PeftCore.Ilgpu, as a program is: its using is needed.

/// <summary>The program of docs/getting-started/gpu.md.</summary>
internal static class OnADevice
{
    public static string Run(string modelDirectory, string device)
    {
        foreach (var found in IlgpuDevices.Find().Devices)
        {
            Console.WriteLine($"{found.Kind}: {found.Name}");
        }
        using var backend = IlgpuDevices.Open(device); // "cuda", "cuda:1", or "ilgpu-cpu"
        var model = new PeftModel(ModelLoader.Load(modelDirectory, backend));
        model.AddAdapter(new LoraConfig { Rank = 8, Alpha = 16 });
        using var scope = new TensorScope();
        string shape = model.Base.Logits(ModelInputs.From(backend, [1, 2, 3, 4], batch: 1)).Shape.ToString()!;
        model.Base.Dispose();
        return shape;
    }
}
