namespace PeftCore.Kernels;

/// <summary>Work that is generic over the element type of the numbers it reads or writes.</summary>
internal interface IElementAction
{
    /// <summary>Does the work on elements of type <typeparamref name="TElement"/>.</summary>
    void Run<TElement>()
        where TElement : struct, IElement;
}

/// <summary>The one place where an <see cref="ElementType"/> becomes a type argument. Kernels are compiled once per element type, and the
/// choice is made once per call, outside of their loops.</summary>
internal static class ElementDispatch
{
    /// <summary>Runs an action for an element type. The action is a struct, so that the call allocates nothing.</summary>
    public static void Run<TAction>(ElementType type, TAction action)
        where TAction : struct, IElementAction
    {
        switch (type)
        {
            case ElementType.F32:
                action.Run<Float32Element>();
                break;
            case ElementType.BF16:
                action.Run<BFloat16Element>();
                break;
            case ElementType.F16:
                action.Run<Float16Element>();
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "Kernels read and write F32, BF16 and F16.");
        }
    }
}
