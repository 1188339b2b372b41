using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Peft;

namespace PeftCore.Tests.Peft;

/// <summary>A base with another vocabulary than its file.</summary>
internal sealed class ResizedBase : IDisposable
{
    private readonly CpuBackend _backend = new(1);

    public ResizedBase(int rows, string family = "llama")
    {
        Model = new PeftModel(ModelLoader.Load(TestFiles.Fixture("hf", family, "base"), _backend));
        Model.ResizeTokenEmbeddings(rows);
    }

    public PeftModel Model { get; }

    public void Dispose()
    {
        Model.Unload();
        Model.Base.Dispose();
        _backend.Dispose();
    }
}
