namespace PeftCore.Models.Generation;

/// <summary>A request was refused because as many as allowed already wait.</summary>
public sealed class QueueFullException : Exception
{
    internal QueueFullException(int waiting) : base($"{waiting} requests wait already, as many as the queue may hold; try again later")
    {
    }
}
